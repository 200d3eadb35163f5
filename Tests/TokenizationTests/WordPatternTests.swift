import Testing
@testable import Tokenization

@Suite struct WordPatternTests {
    private func words(_ text: String, _ pattern: WordPattern) -> [String] {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { text in
            WordSplitter(text, in: 0..<text.count, by: pattern).map { String(decoding: text[$0], as: UTF8.self) }
        }
    }

    /// As the reference splits: `Digits(individual_digits)`, then GPT-2's pattern in each piece by itself.
    @Test func everyDigitStandsAlone() {
        #expect(words("in 2024, it's 3x", .singleDigits) == ["in", " ", "2", "0", "2", "4", ",", " it", "'s", " ", "3", "x"])
        #expect(words("٣ ½\n", .singleDigits) == ["٣", " ", "½", "\n"])
        #expect(words("", .singleDigits).isEmpty)
    }

    @Test func llama3TakesDigitsInThreesAndMarksWithWords() {
        #expect(
            words("12345 It'LL (go) on!\n\n  x  \n y", .llama3) == [
                "123", "45", " It", "'LL", " (", "go", ")", " on", "!\n\n", " ", " x", "  \n", " y",
            ])
        #expect(words("\u{A0}a\tb\r\nc ", .llama3) == ["\u{A0}a", "\tb", "\r\n", "c", " "])
        #expect(words("a\n \n b", .llama3) == ["a", "\n \n", " b"])
    }

    @Test func qwen2TakesDigitsOneByOne() {
        #expect(words("v2.10 ok", .qwen2) == ["v", "2", ".", "1", "0", " ok"])
    }

    @Test func patternsCoverTheText() {
        let text = "'tis  l'été\t\n\r\n«½×3» don'T we'll\u{200B} 中文 …  "
        for pattern: WordPattern in [.gpt2, .singleDigits, .llama3, .qwen2] { #expect(words(text, pattern).joined() == text) }
    }
}
