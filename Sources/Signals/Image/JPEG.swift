import CTurboJPEG

/// JPEG by libjpeg-turbo.  https://www.w3.org/Graphics/JPEG/itu-t81.pdf
enum JPEG {
    static func recognises(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    static func decode(_ bytes: [UInt8], maximumPixels: Int) throws(SignalRefusal) -> Pixels {
        guard recognises(bytes) else { throw SignalRefusal(.undecodable, "no JPEG: other first bytes") }
        guard let decoder = tjInitDecompress() else { throw SignalRefusal(.undecodable, "JPEG: no decoder") }
        defer { tjDestroy(decoder) }
        var width: CInt = 0, height: CInt = 0, subsampling: CInt = 0, colours: CInt = 0
        guard tjDecompressHeader3(decoder, bytes, CUnsignedLong(bytes.count), &width, &height, &subsampling, &colours) == 0 else {
            throw refusal(decoder, bytes)
        }
        guard width > 0, height > 0 else { throw SignalRefusal(.undecodable, "JPEG: tables without a picture") }
        try checkPixels(width: Int(width), height: Int(height), maximum: maximumPixels)
        let isGrey = colours == CInt(TJCS_GRAY.rawValue)
        let channels = isGrey ? 1 : 3
        var pixels = [UInt8](repeating: 0, count: Int(width) * Int(height) * channels)
        guard tjDecompress2(decoder, bytes, CUnsignedLong(bytes.count), &pixels, width, 0, height,
                            CInt(isGrey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue), TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) == 0
        else { throw refusal(decoder, bytes) }
        return Pixels(width: Int(width), height: Int(height), channels: channels, bytes: pixels)
    }

    /// - Parameter quality: 1…100.
    static func encode(_ pixels: Pixels, quality: Int) -> [UInt8] {
        guard let encoder = tjInitCompress() else { preconditionFailure("no JPEG encoder") }
        defer { tjDestroy(encoder) }
        let isGrey = pixels.channels == 1
        let subsampling = CInt(isGrey ? TJSAMP_GRAY.rawValue : TJSAMP_444.rawValue)
        var count = tjBufSize(CInt(pixels.width), CInt(pixels.height), subsampling)
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let outcome = bytes.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            return tjCompress2(encoder, pixels.bytes, CInt(pixels.width), 0, CInt(pixels.height), CInt(isGrey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue),
                               &start, &count, subsampling, CInt(quality), TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT)
        }
        precondition(outcome == 0, "a JPEG of \(pixels.width) × \(pixels.height) does not encode")
        return Array(bytes.prefix(Int(count)))
    }

    /// A file that does not finish with the end-of-image marker was cut; any other is damaged.
    private static func refusal(_ decoder: tjhandle, _ bytes: [UInt8]) -> SignalRefusal {
        let message = String(cString: tjGetErrorStr2(decoder))
        let body = bytes.reversed().drop { $0 == 0 }
        let isWhole = body.starts(with: [0xD9, 0xFF])
        return SignalRefusal(isWhole ? .undecodable : .truncated, "JPEG: \(message)")
    }
}
