/// Information from the markers of a JPEG file, read before it is decoded.  https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
struct JPEGMarkers {
    /// The number of scans: one in a baseline file, several in a progressive one.
    private(set) var scans = 0
    /// Whether the file has an end-of-image marker; without it the file is truncated.
    private(set) var isWhole = false
    private(set) var orientation: Orientation?

    init(_ bytes: [UInt8]) {
        var offset = 2
        while let marker = Self.nextMarker(bytes, from: offset) {
            offset = marker + 2
            switch bytes[marker + 1] {
            case 0xD9:
                isWhole = true
                return
            case 0x01, 0xD0...0xD8: continue  // markers without a segment
            case let kind:
                guard offset + 2 <= bytes.count else { return }
                let end = offset + max(2, Int(bytes.unsigned16(at: offset).byteSwapped))
                guard end <= bytes.count else { return }
                if kind == 0xDA { scans += 1 }
                if kind == 0xE1, orientation == nil, scans == 0, bytes.holds("Exif\0\0", at: offset + 2), offset + 8 <= end {
                    orientation = Orientation(tiff: bytes[offset + 8..<end])
                }
                offset = end
            }
        }
    }

    /// The offset of the next marker: 0xFF followed by a byte other than 0 and 0xFF. The bytes before it are coded data or padding.
    private static func nextMarker(_ bytes: [UInt8], from offset: Int) -> Int? {
        bytes.withUnsafeBufferPointer { bytes in
            var offset = offset
            while offset + 1 < bytes.count {
                if bytes[offset] == 0xFF, bytes[offset + 1] != 0, bytes[offset + 1] != 0xFF { return offset }
                offset += 1
            }
            return nil
        }
    }
}
