/// The chunks of a PNG file that determine its samples. A chunk consists of length, type, data and checksum.
/// https://www.w3.org/TR/png-3/#5Chunk-layout
struct PNGChunks {
    /// The file without the chunks that would change sample values or could use much memory: gamma, colour profiles, texts.
    private(set) var samples: [UInt8]
    private(set) var bitsPerSample = 8
    private(set) var orientation = Orientation.upright

    static let magic: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let kept = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]

    /// Reads the chunks up to `IEND`, so that a truncated file is distinguished from a damaged one.
    /// - Throws: `undecodable`, `truncated`.
    init(_ bytes: [UInt8]) throws(SignalRefusal) {
        guard bytes.starts(with: Self.magic) else { throw SignalRefusal(.undecodable, "not a PNG: wrong signature") }
        samples = Self.magic
        samples.reserveCapacity(bytes.count)
        var offset = Self.magic.count
        while true {
            guard offset + 12 <= bytes.count else { throw SignalRefusal(.truncated, "the PNG ends at byte \(bytes.count), without IEND") }
            let length = Int(bytes.bigEndian32(at: offset))
            let end = offset + 12 + length
            guard end <= bytes.count else {
                throw SignalRefusal(.truncated, "the PNG ends at byte \(bytes.count), inside a chunk that ends at \(end)")
            }
            if Self.kept.contains(where: { bytes.holds($0, at: offset + 4) }) {
                if bytes.holds("IHDR", at: offset + 4), length == 13 { bitsPerSample = Int(bytes[offset + 16]) }
                samples += bytes[offset..<end]
                if bytes.holds("IEND", at: offset + 4) { return }
            } else if bytes[offset + 4] & 0x20 == 0 {
                throw SignalRefusal(.undecodable, "PNG: a critical chunk of unknown type at byte \(offset)")
            } else if bytes.holds("eXIf", at: offset + 4) {
                orientation = Orientation(tiff: bytes[offset + 8..<end - 4])
            }
            offset = end
        }
    }
}
