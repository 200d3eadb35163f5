import StrictJSON

/// A token whose content is found in the text before it is split into words.
public struct AddedToken: Sendable, Equatable {
    public var id: Int
    public var content: String
    /// Whether it is found only where no letter, digit or underscore is adjacent.
    public var singleWord = false
    /// Whether it includes the white space before it.
    public var stripsLeft = false
    /// Whether it includes the white space after it.
    public var stripsRight = false
    /// Whether it is searched for in a second pass, after the tokens for which this is false.
    public var isNormalized = false
    /// Whether it is a control token, for example for the beginning or end of a text, and not part of the text.
    public var isSpecial = false

    public init(id: Int, content: String) {
        self.id = id
        self.content = content
    }
}

extension AddedToken {
    /// A special token without flags, as in files that list the content only.
    init(special content: String) {
        self.init(id: -1, content: content)
        isSpecial = true
    }

    /// A token from a file, given by its content or as an object; nil for other values. Its id is not yet set.
    init?(_ value: JSON) {
        if let content = value.string {
            self.init(special: content)
            return
        }
        guard let content = value["content"]?.string else { return nil }
        self.init(id: -1, content: content)
        isSpecial = value["special"]?.bool ?? (value["__type"] == nil)
        singleWord = value["single_word"]?.bool ?? false
        stripsLeft = value["lstrip"]?.bool ?? false
        stripsRight = value["rstrip"]?.bool ?? false
        isNormalized = value["normalized"]?.bool ?? !isSpecial
    }
}

/// Finds added tokens as Hugging Face's tokenizers do: the leftmost first, and of several at one position the longest.
struct AddedTokenFinder: Sendable {
    private let tokens: [(token: AddedToken, bytes: [UInt8])]
    /// By byte: whether any token begins with it.
    private let begins: [Bool]

    init(_ tokens: [AddedToken]) {
        self.tokens = tokens.filter { !$0.content.isEmpty }.map { ($0, Array($0.content.utf8)) }.sorted { $0.bytes.count > $1.bytes.count }
        var begins = [Bool](repeating: false, count: 256)
        for (_, bytes) in self.tokens { begins[Int(bytes[0])] = true }
        self.begins = begins
    }

    /// Calls `visit` with every piece of `range` in order: an added token, or nil for text between them.
    func split(
        _ text: UnsafeBufferPointer<UInt8>, in range: Range<Int>, _ visit: (Range<Int>, AddedToken?) -> Void
    ) {
        var start = range.lowerBound
        var position = start
        while position < range.upperBound {
            guard begins[Int(text[position])], let (token, end) = match(text, at: position, in: range) else {
                position += 1
                continue
            }
            let outer = token.stripped(text, position..<end, within: start..<range.upperBound)
            if token.singleWord && touchesWord(text, position..<end, within: range) {
                position = end
                continue
            }
            if start < outer.lowerBound { visit(start..<outer.lowerBound, nil) }
            visit(outer, token)
            start = outer.upperBound
            position = start
        }
        if start < range.upperBound { visit(start..<range.upperBound, nil) }
    }

    private func match(
        _ text: UnsafeBufferPointer<UInt8>, at position: Int, in range: Range<Int>
    ) -> (AddedToken, end: Int)? {
        for (token, bytes) in tokens where position + bytes.count <= range.upperBound {
            if text[position..<position + bytes.count].elementsEqual(bytes) { return (token, position + bytes.count) }
        }
        return nil
    }

    private func touchesWord(_ text: UnsafeBufferPointer<UInt8>, _ match: Range<Int>, within range: Range<Int>) -> Bool {
        let before = String(decoding: text[range.lowerBound..<match.lowerBound].suffix(4), as: UTF8.self).unicodeScalars.last
        let after = String(decoding: text[match.upperBound..<range.upperBound].prefix(4), as: UTF8.self).unicodeScalars.first
        return before.map(\.isWordScalar) ?? false || after.map(\.isWordScalar) ?? false
    }
}

extension AddedToken {
    fileprivate func stripped(
        _ text: UnsafeBufferPointer<UInt8>, _ match: Range<Int>, within range: Range<Int>
    ) -> Range<Int> {
        var (start, end) = (match.lowerBound, match.upperBound)
        while stripsRight, end < range.upperBound {
            let next = ScalarClass.next(in: text, at: end)
            guard next.kind == .space else { break }
            end += next.length
        }
        while stripsLeft, let length = Self.spaceBefore(text, start, range.lowerBound) { start -= length }
        return start..<end
    }

    /// The length of the white-space scalar that ends at `end`.
    private static func spaceBefore(_ text: UnsafeBufferPointer<UInt8>, _ end: Int, _ limit: Int) -> Int? {
        (1...3).first { length in
            guard end - length >= limit else { return false }
            let scalar = ScalarClass.next(in: text, at: end - length)
            return scalar.kind == .space && scalar.length == length
        }
    }
}

extension Unicode.Scalar {
    /// `\w` of https://www.unicode.org/reports/tr18/#Compatibility_Properties
    fileprivate var isWordScalar: Bool {
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .decimalNumber, .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation: return true
        default: return false
        }
    }
}
