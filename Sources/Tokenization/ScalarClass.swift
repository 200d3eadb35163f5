/// The character classes of GPT-2's pattern: `\p{L}`, `\p{N}`, `\s` and everything else.
enum ScalarClass: UInt8 {
    case letter, number, space, other

    /// The class according to Unicode 16, the version that Hugging Face's tokenizers use; letters and numbers assigned later are `other`,
    /// even if the standard library knows them. Agrees with Hugging Face's tokenizers on every scalar.
    init(_ scalar: Unicode.Scalar) {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
        case .decimalNumber, .letterNumber, .otherNumber: self = .number
        default: self = properties.isWhitespace ? .space : .other
        }
        if self == .letter || self == .number, let age = properties.age, age.major > 16 { self = .other }
    }
}

extension ScalarClass {
    /// The class and the length in bytes of the scalar that begins at `position`. A byte that does not begin a valid UTF-8 sequence is
    /// a scalar of class `other`, as is U+FFFD, by which it would be replaced.
    @inline(__always)
    static func next(in text: UnsafeBufferPointer<UInt8>, at position: Int) -> (kind: ScalarClass, length: Int) {
        let byte = text[position]
        if byte < 0x80 { return (ascii[Int(byte)], 1) }
        return beyondASCII(text, position)
    }

    private static let ascii: [ScalarClass] = (0..<128).map { ScalarClass(Unicode.Scalar($0)) }

    private static func beyondASCII(
        _ text: UnsafeBufferPointer<UInt8>, _ position: Int
    ) -> (kind: ScalarClass, length: Int) {
        guard let (scalar, length) = decodeScalar(text, position) else { return (.other, 1) }
        return (ScalarClass(scalar), length)
    }
}

/// Decodes the UTF-8 sequence of two to four bytes at `position`; nil if it is not well-formed.
func decodeScalar(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> (scalar: Unicode.Scalar, length: Int)? {
    let byte = text[position]
    let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
    guard byte >= 0xC2, byte <= 0xF4, position + length <= text.count else { return nil }
    var value = UInt32(byte) & (0x7F >> UInt32(length))
    for i in 1..<length {
        let continuation = text[position + i]
        guard continuation & 0xC0 == 0x80 else { return nil }
        value = value << 6 | UInt32(continuation & 0x3F)
    }
    guard value >= (length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80), let scalar = Unicode.Scalar(value) else {
        return nil
    }
    return (scalar, length)
}
