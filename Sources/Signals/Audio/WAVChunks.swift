/// The format and data chunks of a WAV file; common deviations from the specification are accepted.
/// https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html, RF64: https://tech.ebu.ch/docs/tech/tech3306.pdf
struct WAVChunks {
    /// Little-endian, big-endian, and little-endian with sizes of 64 bits.
    static let forms = ["RIFF", "RIFX", "RF64"]

    /// A WAV file with the format and data chunks only, and with correct lengths.
    let canonical: [UInt8]

    /// - Throws: `truncated` if the file ends before its samples begin; `empty`; `undecodable`; `unknownFormat` for samples that are
    ///   neither PCM nor float.
    init(_ bytes: [UInt8]) throws(SignalRefusal) {
        guard WAV.recognises(bytes) else { throw SignalRefusal(bytes.count < 12 ? .truncated : .undecodable, "not a WAV: wrong signature") }
        let isBigEndian = bytes.holds("RIFX", at: 0)
        func long(_ offset: Int) -> Int { Int(isBigEndian ? bytes.bigEndian32(at: offset) : bytes.unsigned32(at: offset)) }
        var format: Range<Int>?
        var announced: Int?  // the length of the data according to a `ds64` chunk
        var offset = 12
        while true {
            guard offset + 8 <= bytes.count else { throw SignalRefusal(.truncated, "the WAV ends at byte \(bytes.count), without data") }
            let start = offset + 8
            let length = long(offset + 4)
            if bytes.holds("data", at: offset) {
                guard let format else { throw SignalRefusal(.undecodable, "WAV: data before the format") }
                let isWhole = long(4) + 8 == bytes.count
                let end = Self.end(of: length, from: start, announced: announced, isWhole: isWhole, count: bytes.count)
                guard end > start else { throw SignalRefusal(length == 0 ? .empty : .truncated, "a WAV without samples") }
                canonical = Self.file(bytes[format], bytes[start..<end], isBigEndian: isBigEndian)
                return
            }
            guard start + length <= bytes.count else {
                throw SignalRefusal(.truncated, "the WAV ends at byte \(bytes.count), inside a chunk that ends at \(start + length)")
            }
            if bytes.holds("fmt ", at: offset), format == nil {
                format = start..<start + length
                try Self.check(bytes[start..<start + length], isBigEndian: isBigEndian)
            }
            if bytes.holds("ds64", at: offset), length >= 16, bytes.holds("RF64", at: 0) {
                announced = long(start + 12) == 0 ? long(start + 8) : nil
            }
            offset = Self.next(bytes, after: start + length, isOdd: length % 2 == 1)
        }
    }

    /// The end of the samples according to the header if that is plausible. Programs that write to a pipe and cannot correct the header
    /// leave a length of 0 or beyond the end of the file; then the samples end with the file.
    private static func end(of length: Int, from start: Int, announced: Int?, isWhole: Bool, count: Int) -> Int {
        let length = length == 0xFFFF_FFFF ? announced ?? length : length
        return length == 0 && !isWhole ? count : min(count, start + length)
    }

    /// The offset of the next chunk. A chunk of odd length is followed by a padding byte, which some programs omit.
    private static func next(_ bytes: [UInt8], after end: Int, isOdd: Bool) -> Int {
        guard isOdd else { return end }
        func isName(_ offset: Int) -> Bool {
            offset + 8 <= bytes.count && bytes[offset..<offset + 4].allSatisfy { (0x20...0x7E).contains($0) }
        }
        return !isName(end + 1) && isName(end) ? end : end + 1
    }

    private static func check(_ format: ArraySlice<UInt8>, isBigEndian: Bool) throws(SignalRefusal) {
        let format = Array(format)
        guard format.count >= 16 else { throw SignalRefusal(.undecodable, "WAV: a format of \(format.count) bytes") }
        func short(_ offset: Int) -> UInt16 { isBigEndian ? format.unsigned16(at: offset).byteSwapped : format.unsigned16(at: offset) }
        let isExtensible = short(0) == 0xFFFE && format.count >= 26
        let tag = isExtensible ? short(24) : short(0)
        guard tag == 1 || tag == 3 else {
            throw SignalRefusal(.unknownFormat, "WAV: samples are neither PCM nor float, but of kind \(tag)")
        }
    }

    private static func file(_ format: ArraySlice<UInt8>, _ data: ArraySlice<UInt8>, isBigEndian: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(36 + format.count + data.count)
        func append(_ name: String, _ length: Int) {
            bytes += name.utf8
            let length = UInt32(clamping: length)
            withUnsafeBytes(of: isBigEndian ? length.bigEndian : length.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(isBigEndian ? "RIFX" : "RIFF", 20 + format.count + format.count % 2 + data.count + data.count % 2)
        bytes += "WAVE".utf8
        append("fmt ", format.count)
        bytes += format + (format.count % 2 == 1 ? [0] : [])
        append("data", data.count)
        bytes += data
        if data.count % 2 == 1 { bytes.append(0) }
        return bytes
    }
}
