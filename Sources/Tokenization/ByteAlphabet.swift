/// The printable characters by which GPT-2's files represent bytes: the byte's character in Latin-1 if it is printable, else those from
/// U+0100 on, in the order of the bytes. https://github.com/openai/gpt-2/blob/master/src/encoder.py
enum ByteAlphabet {
    private static let scalarOfByte: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<UInt32(256)).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE { return byte }
            defer { next += 1 }
            return next
        }
    }()

    private static let byteOfScalar: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: Int(scalarOfByte.reduce(0, max)) + 1)
        for (byte, scalar) in scalarOfByte.enumerated() { bytes[Int(scalar)] = UInt8(byte) }
        return bytes
    }()

    /// The character of a byte.
    static func spelling(of byte: UInt8) -> String {
        Unicode.Scalar(scalarOfByte[Int(byte)]).map { String(Character($0)) } ?? ""
    }

    /// Appends the bytes represented by `word`, which is in UTF-8; a word with any character outside the alphabet is appended unchanged.
    static func append(_ word: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        let start = bytes.count
        var position = 0
        while position < word.count {
            var value = UInt32(word[position])
            var length = 1
            if value >= 0x80, let decoded = decodeScalar(word, position) {
                value = decoded.scalar.value
                length = decoded.length
            }
            guard value < byteOfScalar.count, let byte = byteOfScalar[Int(value)] else {
                bytes.removeSubrange(start...)
                bytes.append(contentsOf: word)
                return
            }
            bytes.append(byte)
            position += length
        }
    }
}
