import Foundation

/// BERT's WordPiece tokenizer: the text is cleaned, lower-cased and split at white space and punctuation; each word is then split greedily
/// into the longest pieces of the vocabulary.  https://arxiv.org/abs/1810.04805
public struct WordPiece: Sendable {
    private let pieces: [String: Int]
    private let lowercases: Bool
    private let unknown: Int
    /// The ids of `[CLS]` and `[SEP]`, which are put before and after a text.
    public let opening: Int, closing: Int
    public let vocabularySize: Int

    /// A word of more Unicode scalars becomes `[UNK]`.
    private static let longestWord = 100

    /// Reads a vocabulary.
    /// - Parameters:
    ///   - file: the path of a `vocab.txt` with one piece on each line; the line number, from 0, is the id.
    ///   - lowercases: whether texts are lower-cased and their accents removed.
    /// - Throws: `TokenizationError`.
    public init(vocabulary file: String, lowercases: Bool = true) throws(TokenizationError) {
        guard let text = String(validating: try readFile(file), as: UTF8.self) else { throw .malformed(file: file, "it is not UTF-8") }
        // Split as bytes: as characters, a carriage return and the line feed after it are one.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            String(Substring(line.last == UInt8(ascii: "\r") ? line.dropLast() : line))
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        pieces = Dictionary(lines.enumerated().map { ($1, $0) }, uniquingKeysWith: { _, last in last })
        guard let unknown = pieces["[UNK]"], let opening = pieces["[CLS]"], let closing = pieces["[SEP]"] else {
            throw .malformed(file: file, "it lacks one of [UNK], [CLS], [SEP]")
        }
        (self.unknown, self.opening, self.closing) = (unknown, opening, closing)
        self.lowercases = lowercases
        vocabularySize = lines.count
    }

    /// The ids of a text between `opening` and `closing`.
    /// - Parameters:
    ///   - text: the text.
    ///   - limit: the maximum number of ids, at least 2; the text is truncated to it.
    public func encode(_ text: String, limit: Int) -> [Int] {
        let ids = words(of: text).flatMap { pieces(of: $0) }
        return [opening] + ids.prefix(max(0, limit - 2)) + [closing]
    }

    private func pieces(of word: [Unicode.Scalar]) -> [Int] {
        guard word.count <= Self.longestWord else { return [unknown] }
        var ids: [Int] = []
        var start = 0
        while start < word.count {
            var end = word.count, found: Int?
            while end > start, found == nil {
                found = pieces[(start > 0 ? "##" : "") + String(String.UnicodeScalarView(word[start..<end]))]
                if found == nil { end -= 1 }
            }
            guard let found else { return [unknown] }
            ids.append(found)
            start = end
        }
        return ids
    }

    private func words(of text: String) -> [[Unicode.Scalar]] {
        var words: [[Unicode.Scalar]] = []
        var word: [Unicode.Scalar] = []
        func end() {
            if !word.isEmpty { words.append(word) }
            word = []
        }
        for scalar in normalized(text).unicodeScalars {
            if Self.isRemoved(scalar) { continue }
            if Self.isSpace(scalar) {
                end()
            } else if Self.isPunctuation(scalar) || Self.isIdeograph(scalar) {
                end()
                words.append([scalar])
            } else {
                word.append(scalar)
            }
        }
        end()
        return words
    }

    /// Lower case without accents.
    private func normalized(_ text: String) -> String {
        guard lowercases else { return text }
        let decomposed = text.lowercased().decomposedStringWithCanonicalMapping
        return String(String.UnicodeScalarView(decomposed.unicodeScalars.filter { $0.properties.generalCategory != .nonspacingMark }))
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\t" || scalar == "\n" || scalar == "\r" || scalar.properties.generalCategory == .spaceSeparator
    }

    /// Whether a scalar is removed from the text: 0, the replacement character, control characters other than white space.
    private static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == "\t" || scalar == "\n" || scalar == "\r" { return false }
        if scalar.value == 0 || scalar.value == 0xFFFD { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned: return true
        default: return false
        }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        if (33...47).contains(scalar.value) || (58...64).contains(scalar.value) || (91...96).contains(scalar.value)
            || (123...126).contains(scalar.value)
        {
            return true
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation:
            return true
        default: return false
        }
    }

    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F, 0x2B820...0x2CEAF, 0xF900...0xFAFF,
            0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
