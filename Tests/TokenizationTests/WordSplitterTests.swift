import Testing

@testable import Tokenization

private func words(_ text: String) -> [String] {
    Array(text.utf8).withUnsafeBufferPointer { text in
        WordSplitter(text, in: 0..<text.count).map { String(decoding: text[$0], as: UTF8.self) }
    }
}

/// Expected words, derived from the pattern by hand.
@Test(arguments: [
    ("", []), ("Hello world", ["Hello", " world"]), ("it's we'll 'tis'nt", ["it", "'s", " we", "'ll", " '", "tis", "'", "nt"]),
    ("a  b", ["a", " ", " b"]), ("a \n b", ["a", " \n", " b"]), ("a\n\nb", ["a", "\n", "\n", "b"]), ("a  ", ["a", "  "]),
    ("x86_64+7", ["x", "86", "_", "64", "+", "7"]), ("\u{A0}é½", ["\u{A0}", "é", "½"]),
    (" \u{3000}中文!", [" ", "\u{3000}", "中文", "!"]),
    ("e\u{301}x", ["e", "\u{301}", "x"]), ("'S 'Re", ["'", "S", " '", "Re"]), ("''s", ["''", "s"]), (" 's", [" '", "s"]),
])
func wordsAreThoseOfGPT2sPattern(text: String, expected: [String]) {
    #expect(words(text) == expected)
}

/// Counts and sums of code points taken from Hugging Face tokenizers 0.23 over all scalars.
@Test func everyScalarHasTheReferencesClass() {
    var count: [ScalarClass: Int] = [:]
    var sum: [ScalarClass: Int] = [:]
    for value in UInt32(0)...0x10FFFF {
        guard let scalar = Unicode.Scalar(value) else { continue }
        let utf8 = Array(String(Character(scalar)).utf8)
        let (kind, length) = utf8.withUnsafeBufferPointer { ScalarClass.next(in: $0, at: 0) }
        if length != utf8.count { Issue.record("scalar \(value) is read as \(length) bytes") }
        count[kind, default: 0] += 1
        sum[kind, default: 0] += Int(value)
    }
    #expect(count == [.letter: 141_028, .number: 1_911, .space: 25, .other: 969_100])
    #expect(sum == [.letter: 15_240_929_258, .number: 110_651_895, .space: 141_586, .other: 605_155_152_141])
}

@Test(
    arguments: [
        [0x80], [0xC0, 0x80], [0xC2], [0xE0, 0x80, 0x80], [0xE4, 0xB8], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
        [0xF4, 0x90, 0x80, 0x80],
        [0xFF], [0xC3, 0x41],
    ] as [[UInt8]])
func brokenUTF8IsReadAByteAtATime(bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer {
        #expect(ScalarClass.next(in: $0, at: 0).length == 1)
        #expect(ScalarClass.next(in: $0, at: 0).kind == .other)
    }
}
