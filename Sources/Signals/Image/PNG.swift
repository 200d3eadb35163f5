import CPNG

/// Decodes and encodes PNG with libpng's simplified interface.  https://www.w3.org/TR/png-3/
enum PNG {
    static func recognises(_ bytes: [UInt8]) -> Bool { bytes.starts(with: PNGChunks.magic) }

    /// Decodes a picture. Samples are those stored in the file; gamma and colour profiles are ignored. Samples of 16 bits are kept, those
    /// of fewer than 8 scaled to 0…255. Palettes are resolved, transparent pixels are blended with black (value · alpha), and the
    /// Exif orientation is applied.
    static func decode(_ bytes: [UInt8], maximumPixels: Int) throws(SignalRefusal) -> Pixels {
        let chunks = try PNGChunks(bytes)
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        return try chunks.samples.withUnsafeBufferPointer { source throws(SignalRefusal) in
            guard png_image_begin_read_from_memory(&image, source.baseAddress, source.count) != 0 else { throw refusal(image) }
            try checkPixels(width: Int(image.width), height: Int(image.height), maximum: maximumPixels)
            return chunks.bitsPerSample == 16 ? try words(&image) : try self.bytes(&image)
        }.turned(chunks.orientation)
    }

    /// Without a gamma chunk libpng takes samples of 16 bits as linear light; with linear light requested it returns them unchanged.
    private static func words(_ image: inout png_image) throws(SignalRefusal) -> Pixels {
        let isColoured = image.format & png_uint_32(PNG_FORMAT_FLAG_COLOR) != 0
        image.format = png_uint_32(PNG_FORMAT_FLAG_LINEAR | (isColoured ? PNG_FORMAT_FLAG_COLOR : 0))
        let channels = isColoured ? 3 : 1
        var words = [UInt16](repeating: 0, count: Int(image.width) * Int(image.height) * channels)
        guard png_image_finish_read(&image, nil, &words, 0, nil) != 0 else { throw refusal(image) }
        return Pixels(width: Int(image.width), height: Int(image.height), channels: channels, words: words)
    }

    private static func bytes(_ image: inout png_image) throws(SignalRefusal) -> Pixels {
        let isColoured = image.format & png_uint_32(PNG_FORMAT_FLAG_COLOR) != 0
        let isTransparent = image.format & png_uint_32(PNG_FORMAT_FLAG_ALPHA) != 0
        image.format = png_uint_32((isColoured ? PNG_FORMAT_FLAG_COLOR : 0) | (isTransparent ? PNG_FORMAT_FLAG_ALPHA : 0))
        let channels = isColoured ? 3 : 1
        let count = Int(image.width) * Int(image.height)
        var bytes = [UInt8](repeating: 0, count: count * (channels + (isTransparent ? 1 : 0)))
        guard png_image_finish_read(&image, nil, &bytes, 0, nil) != 0 else { throw refusal(image) }
        if isTransparent {
            let words = Self.words(onBlack: bytes, channels: channels)
            return Pixels(width: Int(image.width), height: Int(image.height), channels: channels, words: words)
        }
        return Pixels(width: Int(image.width), height: Int(image.height), channels: channels, bytes: bytes)
    }

    /// value · alpha with 16 bits, because 8 do not suffice. Opaque pixels keep their values.
    private static func words(onBlack bytes: [UInt8], channels: Int) -> [UInt16] {
        var words = [UInt16](repeating: 0, count: bytes.count / (channels + 1) * channels)
        for pixel in 0..<bytes.count / (channels + 1) {
            let start = pixel * (channels + 1)
            let alpha = Int(bytes[start + channels])
            for channel in 0..<channels {
                words[pixel * channels + channel] = UInt16((Int(bytes[start + channel]) * alpha * 257 + 127) / 255)
            }
        }
        return words
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

    private static func refusal(_ image: png_image) -> SignalRefusal {
        let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return SignalRefusal(.undecodable, "PNG: \(message)")
    }
}
