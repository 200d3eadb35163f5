import CTurboJPEG

/// Decodes and encodes JPEG with libjpeg-turbo.  https://www.w3.org/Graphics/JPEG/itu-t81.pdf
enum JPEG {
    static func recognises(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// The maximum number of scans of a picture of maximum size, proportionally more for a smaller one; progressive pictures have
    /// about ten.
    private static let scansOfLargest = 16

    /// Decodes a picture. Data about which libjpeg only warns is decoded as far as possible, as by Pillow and OpenCV; a truncated file is
    /// rejected. CMYK is assumed to be inverted, as Adobe writes it. The Exif orientation is applied.
    static func decode(_ bytes: [UInt8], maximumPixels: Int) throws(SignalRefusal) -> Pixels {
        guard recognises(bytes) else { throw SignalRefusal(.undecodable, "not a JPEG: wrong signature") }
        guard let decoder = tjInitDecompress() else { throw SignalRefusal(.undecodable, "JPEG: no decoder") }
        defer { tjDestroy(decoder) }
        var width: CInt = 0, height: CInt = 0, subsampling: CInt = 0, colours: CInt = -1
        // It fails for warnings and for unknown subsamplings too, but then sets the sizes.
        if tjDecompressHeader3(decoder, bytes, CUnsignedLong(bytes.count), &width, &height, &subsampling, &colours) != 0,
            width <= 0 || height <= 0 || colours < 0
        {
            throw refusal(decoder, bytes)
        }
        guard width > 0, height > 0 else { throw SignalRefusal(.undecodable, "JPEG: tables without a picture") }
        try checkPixels(width: Int(width), height: Int(height), maximum: maximumPixels)
        let markers = JPEGMarkers(bytes)
        let work = Int(width) * Int(height) * markers.scans
        guard work <= maximumPixels * scansOfLargest else {
            let most = maximumPixels * scansOfLargest
            throw SignalRefusal(.tooLarge, "\(markers.scans) scans of \(width) × \(height) pixels, at most \(most) in all")
        }
        let isGrey = colours == CInt(TJCS_GRAY.rawValue)
        let isPrinted = colours == CInt(TJCS_CMYK.rawValue) || colours == CInt(TJCS_YCCK.rawValue)
        let format = isGrey ? TJPF_GRAY : isPrinted ? TJPF_CMYK : TJPF_RGB
        var pixels = [UInt8](repeating: 0, count: Int(width) * Int(height) * (isGrey ? 1 : isPrinted ? 4 : 3))
        let outcome = tjDecompress2(
            decoder, bytes, CUnsignedLong(bytes.count), &pixels, width, 0, height, CInt(format.rawValue),
            TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
        guard outcome == 0 || tjGetErrorCode(decoder) == CInt(TJERR_WARNING.rawValue) else { throw refusal(decoder, bytes) }
        guard markers.isWhole else { throw SignalRefusal(.truncated, "the JPEG ends at byte \(bytes.count), without its end marker") }
        if isPrinted { pixels = self.colours(ofInverted: pixels) }
        let picture = Pixels(width: Int(width), height: Int(height), channels: isGrey ? 1 : 3, bytes: pixels)
        return picture.turned(markers.orientation ?? .upright)
    }

    /// Red, green and blue of inverted cyan, magenta, yellow and black: each component is the inverted ink times the inverted black.
    private static func colours(ofInverted inks: [UInt8]) -> [UInt8] {
        var colours = inks
        for pixel in 0..<inks.count / 4 {
            let light = inks[4 * pixel + 3]
            for ink in 0..<3 { colours[3 * pixel + ink] = light - (255 - inks[4 * pixel + ink]).scaled(by: light) }
        }
        colours.removeLast(inks.count / 4)
        return colours
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
            return tjCompress2(
                encoder, pixels.bytes, CInt(pixels.width), 0, CInt(pixels.height), CInt(isGrey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue),
                &start, &count, subsampling, CInt(quality), TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT)
        }
        precondition(outcome == 0, "a JPEG of \(pixels.width) × \(pixels.height) does not encode")
        return Array(bytes.prefix(Int(count)))
    }

    /// `truncated` for a file that does not end with the end-of-image marker, `undecodable` for any other.
    private static func refusal(_ decoder: tjhandle, _ bytes: [UInt8]) -> SignalRefusal {
        let message = String(cString: tjGetErrorStr2(decoder))
        let body = bytes.reversed().drop { $0 == 0 }
        let isWhole = body.starts(with: [0xD9, 0xFF])
        return SignalRefusal(isWhole ? .undecodable : .truncated, "JPEG: \(message)")
    }
}
