import CPNG

/// PNG by libpng's simplified interface.  https://www.w3.org/TR/png-3/
enum PNG {
    private static let magic: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    static func recognises(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

    /// Transparent pixels come out on black, 16 bits as 8, palettes as colours.
    static func decode(_ bytes: [UInt8], maximumPixels: Int) throws(SignalRefusal) -> Pixels {
        try checkChunks(bytes)
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        return try bytes.withUnsafeBufferPointer { source throws(SignalRefusal) in
            guard png_image_begin_read_from_memory(&image, source.baseAddress, source.count) != 0 else { throw refusal(image) }
            let width = Int(image.width)
            let height = Int(image.height)
            try checkPixels(width: width, height: height, maximum: maximumPixels)
            let isColoured = image.format & png_uint_32(PNG_FORMAT_FLAG_COLOR) != 0
            image.format = png_uint_32(isColoured ? PNG_FORMAT_FLAG_COLOR : 0)
            let channels = isColoured ? 3 : 1
            var pixels = [UInt8](repeating: 0, count: width * height * channels)
            var black = png_color(red: 0, green: 0, blue: 0)
            guard png_image_finish_read(&image, &black, &pixels, 0, nil) != 0 else { throw refusal(image) }
            return Pixels(width: width, height: height, channels: channels, bytes: pixels)
        }
    }

    static func encode(_ pixels: Pixels) -> [UInt8] {
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        image.width = png_uint_32(pixels.width)
        image.height = png_uint_32(pixels.height)
        image.format = png_uint_32(pixels.channels == 3 ? PNG_FORMAT_FLAG_COLOR : 0)
        defer { png_image_free(&image) }
        var count = png_alloc_size_t(pixels.bytes.count + pixels.height * 16 + 4096)
        var bytes = [UInt8](repeating: 0, count: count)
        let isWritten = png_image_write_to_memory(&image, &bytes, &count, 0, pixels.bytes, 0, nil)
        precondition(isWritten != 0, "a PNG of \(pixels.width) × \(pixels.height) does not fit in \(bytes.count) bytes")
        return Array(bytes.prefix(count))
    }

    /// Walks the chunks (length, kind, body, checksum) up to `IEND`, so that a cut file is told from a damaged one.
    private static func checkChunks(_ bytes: [UInt8]) throws(SignalRefusal) {
        guard recognises(bytes) else { throw SignalRefusal(.undecodable, "no PNG: other first bytes") }
        var offset = magic.count
        while true {
            guard offset + 12 <= bytes.count else { throw SignalRefusal(.truncated, "the PNG ends at byte \(bytes.count), without IEND") }
            let length = Int(bytes.bigEndian32(at: offset))
            guard offset + 12 + length <= bytes.count else {
                throw SignalRefusal(.truncated, "the PNG ends at byte \(bytes.count), inside a chunk that goes on to \(offset + 12 + length)")
            }
            if bytes.holds("IEND", at: offset + 4) { return }
            offset += 12 + length
        }
    }

    private static func refusal(_ image: png_image) -> SignalRefusal {
        let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return SignalRefusal(.undecodable, "PNG: \(message)")
    }
}
