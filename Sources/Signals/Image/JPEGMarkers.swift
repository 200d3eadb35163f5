/// What the markers of a JPEG say of it before it is decoded.  https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
struct JPEGMarkers {
    /// Passes over the picture: one for a baseline, several for a progressive one.
    private(set) var scans = 0
    /// Whether the end-of-image marker is there; without it the file was cut.
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
            case 0x01, 0xD0...0xD8: continue  // stand alone
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

    /// Where the next marker is: 0xFF and a byte that makes it one. What stands before it is coded data, or no part of the picture.
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
