/// Reads little- and big-endian numbers from bytes. The caller must check the bounds.
extension [UInt8] {
    func unsigned16(at offset: Int) -> UInt16 { UInt16(self[offset]) | UInt16(self[offset + 1]) << 8 }

    func unsigned32(at offset: Int) -> UInt32 { UInt32(unsigned16(at: offset)) | UInt32(unsigned16(at: offset + 2)) << 16 }

    func bigEndian32(at offset: Int) -> UInt32 { unsigned32(at: offset).byteSwapped }

    func float32(at offset: Int) -> Float { Float(bitPattern: unsigned32(at: offset)) }

    func holds(_ text: String, at offset: Int) -> Bool {
        offset >= 0 && count >= offset + text.utf8.count && self[offset..<offset + text.utf8.count].elementsEqual(text.utf8)
    }
}
