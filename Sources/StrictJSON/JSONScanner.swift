/// A strict, single-pass reader of JSON text (https://www.rfc-editor.org/rfc/rfc8259).
///
/// Beyond violations of the grammar, these are errors: text that is not UTF-8, a duplicate key in an object, nesting deeper than
/// `JSONScanner.maximumDepth`, a number beyond the range of `Double`, anything but white space after the value.
///
///     try JSONScanner.read(bytes) { scanner in
///         try scanner.object { key, scanner in vocabulary[key] = try scanner.integer() }
///     }
public struct JSONScanner {
    /// The maximum nesting of objects and arrays.
    public static let maximumDepth = 64

    private let text: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    /// Reads a JSON text that holds one value.
    /// - Parameters:
    ///   - bytes: the text in UTF-8.
    ///   - body: reads the value with the scanner, which is valid during the call only.
    /// - Throws: `JSONError`, also if anything follows the value; errors of `body`.
    public static func read<Bytes: Collection<UInt8>, Result>(
        _ bytes: Bytes, _ body: (inout JSONScanner) throws -> Result
    ) throws -> Result {
        func whole(_ text: UnsafeBufferPointer<UInt8>) throws -> Result {
            var scanner = JSONScanner(text: text)
            let result = try body(&scanner)
            scanner.skipSpace()
            guard scanner.position == text.count else { throw scanner.error("something follows the value") }
            return result
        }
        if let result = try bytes.withContiguousStorageIfAvailable(whole) { return result }
        return try Array(bytes).withUnsafeBufferPointer(whole)
    }

    private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    /// Reads an object.
    /// - Parameters:
    ///   - distinct: whether to check for duplicate keys; a caller that checks them itself passes false to save time.
    ///   - member: called with each key; must read (or `skip`) exactly its value.
    /// - Throws: `JSONError`; errors of `member`.
    public mutating func object(
        distinct: Bool = true, _ member: (String, inout JSONScanner) throws -> Void
    ) throws {
        try open("{", "an object")
        var keys = DistinctKeys()
        if !closes("}") {
            repeat {
                skipSpace()
                let start = position
                let key = try string()
                guard !distinct || keys.insert(key) else {
                    position = start
                    throw error("the key \"\(key)\" is given twice")
                }
                try expect(":", "a colon")
                try member(key, &self)
            } while try another(orClose: "}")
        }
        depth -= 1
    }

    /// Reads an array.
    /// - Parameter element: called for each element; must read (or `skip`) exactly one value.
    /// - Throws: `JSONError`; errors of `element`.
    public mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
        try open("[", "an array")
        if !closes("]") {
            repeat { try element(&self) } while try another(orClose: "]")
        }
        depth -= 1
    }

    /// Reads a string.
    /// - Throws: `JSONError`.
    public mutating func string() throws -> String {
        try expect("\"", "a string")
        let start = position
        while position < text.count, text[position] != UInt8(ascii: "\""), text[position] != UInt8(ascii: "\\") {
            guard text[position] >= 0x20 else { throw error("a control character in a string") }
            position += 1
        }
        guard position < text.count else { throw error("a string without its end") }
        if text[position] == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try unicode(text[start..<position], at: start)
        }
        return try escapedString(from: start)
    }

    /// Reads a number without fraction or exponent that fits in `Int`.
    /// - Throws: `JSONError`, also for any other number.
    public mutating func integer() throws -> Int {
        let start = position
        guard case .integer(let value) = try number() else {
            position = start
            throw error("an integer was expected")
        }
        return value
    }

    /// Reads `true` or `false`.
    /// - Throws: `JSONError`.
    public mutating func bool() throws -> Bool {
        skipSpace()
        if take("true") { return true }
        if take("false") { return false }
        throw error("true or false was expected")
    }

    /// Reads a `null` if it comes next, and returns whether it did.
    public mutating func null() -> Bool {
        skipSpace()
        return take("null")
    }

    /// Whether an array comes next.
    public var isAtArray: Bool {
        mutating get {
            skipSpace()
            return position < text.count && text[position] == UInt8(ascii: "[")
        }
    }

    /// Reads a value of any kind.
    /// - Throws: `JSONError`.
    public mutating func value() throws -> JSON {
        skipSpace()
        guard position < text.count else { throw error("the text ends where a value was expected") }
        switch text[position] {
        case UInt8(ascii: "{"):
            var members: [String: JSON] = [:]
            try object { key, scanner in members[key] = try scanner.value() }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSON] = []
            try array { scanner in elements.append(try scanner.value()) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try bool())
        case UInt8(ascii: "n") where take("null"): return .null
        default: return try number()
        }
    }

    /// Skips a value of any kind; it is checked as strictly as if it were read.
    /// - Throws: `JSONError`.
    public mutating func skip() throws { _ = try value() }

    /// An error at the current position.
    public func error(_ problem: String) -> JSONError { JSONError(offset: position, problem: problem) }
}

// MARK: - Pieces of the grammar

extension JSONScanner {
    private mutating func skipSpace() {
        while position < text.count {
            switch text[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let n = word.utf8CodeUnitCount
        guard position + n <= text.count else { return false }
        for i in 0..<n where text[position + i] != word.utf8Start[i] { return false }
        position += n
        return true
    }

    private mutating func expect(_ mark: StaticString, _ what: String) throws {
        skipSpace()
        guard take(mark) else { throw error("\(what) was expected") }
    }

    private mutating func open(_ mark: StaticString, _ what: String) throws {
        try expect(mark, what)
        depth += 1
        guard depth <= Self.maximumDepth else { throw error("values are nested deeper than \(Self.maximumDepth)") }
    }

    private mutating func closes(_ mark: StaticString) -> Bool {
        skipSpace()
        return take(mark)
    }

    private mutating func another(orClose mark: StaticString) throws -> Bool {
        skipSpace()
        if take(",") { return true }
        guard take(mark) else { throw error("a comma or \(mark) was expected") }
        return false
    }

    private func unicode(_ bytes: some Collection<UInt8>, at offset: Int) throws -> String {
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw JSONError(offset: offset, problem: "a string that is not UTF-8")
        }
        return string
    }

    /// Reads the rest of a string that contains a backslash; `position` is at the first backslash.
    private mutating func escapedString(from start: Int) throws -> String {
        var bytes = Array(text[start..<position])
        while position < text.count {
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try unicode(bytes, at: start)
            case UInt8(ascii: "\\"):
                position += 1
                bytes.append(contentsOf: String(try escape()).utf8)
            case 0..<0x20: throw error("a control character in a string")
            default:
                bytes.append(byte)
                position += 1
            }
        }
        throw error("a string without its end")
    }

    private mutating func escape() throws -> Unicode.Scalar {
        guard position < text.count else { throw error("a string without its end") }
        let mark = text[position]
        position += 1
        switch mark {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(mark)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try hexEscape()
        default:
            position -= 1
            throw error("an unknown escape")
        }
    }

    private mutating func hexEscape() throws -> Unicode.Scalar {
        let first = try hexUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), take("\\u") else { throw error("half of a surrogate pair") }
        let second = try hexUnit()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexUnit() throws -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard position < text.count, let digit = Character(Unicode.Scalar(text[position])).hexDigitValue,
                text[position] < 0x80
            else { throw error("four hexadecimal digits were expected") }
            unit = unit << 4 | UInt32(digit)
            position += 1
        }
        return unit
    }

    private mutating func number() throws -> JSON {
        skipSpace()
        let start = position
        _ = take("-")
        if !take("0") { try digits() }
        var isInteger = true
        if take(".") {
            try digits()
            isInteger = false
        }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
            isInteger = false
        }
        let digits = String(decoding: text[start..<position], as: UTF8.self)
        if isInteger, let value = Int(digits) { return .integer(value) }
        guard let value = Double(digits), value.isFinite else {
            position = start
            throw error("a number too large for a double")
        }
        return .number(value)
    }

    private mutating func digits() throws {
        let start = position
        while position < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[position]) { position += 1 }
        guard position > start else { throw error("a digit was expected") }
    }
}

/// The keys of one object, compared byte by byte, because `String` compares "é" and "e\u{301}" as equal.
private struct DistinctKeys {
    private var seen: Set<[UInt8]> = []
    private var few: [String] = []

    mutating func insert(_ key: String) -> Bool {
        if few.count < 16 {
            if few.contains(where: { $0.utf8.elementsEqual(key.utf8) }) { return false }
            few.append(key)
            return true
        }
        if seen.isEmpty { seen = Set(few.map { Array($0.utf8) }) }
        return seen.insert(Array(key.utf8)).inserted
    }
}
