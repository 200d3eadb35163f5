/// A decoded picture (height, width, channels), 8 bits for each sample, rows from top to bottom, channels interleaved.
public struct Pixels: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// 1 (grey) or 3 (red, green, blue).
    public let channels: Int
    /// Samples 0…255.
    public var bytes: [UInt8]
    /// The same samples with 16 bits, scaled by 257, if the picture has more than 8; else empty.
    public let words: [UInt16]

    public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) {
        self.init(width: width, height: height, channels: channels, bytes: bytes, words: [])
    }

    /// A picture of 16 bits for each sample.
    init(width: Int, height: Int, channels: Int, words: [UInt16]) {
        self.init(width: width, height: height, channels: channels, bytes: words.map { UInt8((Int($0) + 128) / 257) }, words: words)
    }

    init(width: Int, height: Int, channels: Int, bytes: [UInt8], words: [UInt16]) {
        precondition(channels == 1 || channels == 3, "\(channels) channels")
        precondition(bytes.count == width * height * channels, "\(bytes.count) bytes for \(width) × \(height) × \(channels)")
        precondition(words.isEmpty || words.count == bytes.count, "\(words.count) words for \(bytes.count) bytes")
        self.width = width
        self.height = height
        self.channels = channels
        self.bytes = bytes
        self.words = words
    }

    /// The pixels of a reading of format `image/x-rgb8` or `image/x-gray8`.
    /// - Throws: `wrongShape`, `tooLarge`, `truncated`.
    init(_ raw: RawReading, maximum: Int) throws(SignalRefusal) {
        try checkPixels(width: raw.width, height: raw.height, maximum: maximum)
        let channels = raw.format == "image/x-rgb8" ? 3 : 1
        let expected = raw.width * raw.height * channels
        guard raw.payload.count == expected else {
            throw SignalRefusal(
                raw.payload.count < expected ? .truncated : .wrongShape,
                "\(raw.payload.count) bytes for \(raw.width) × \(raw.height) × \(channels)")
        }
        self.init(width: raw.width, height: raw.height, channels: channels, bytes: raw.payload)
    }
}

extension Pixels {
    /// Decodes a JPEG or PNG file.
    /// - Parameter maximumPixels: the largest number of pixels that is decoded.
    /// - Throws: `undecodable`, also for other formats; `truncated`, `tooLarge`, `wrongShape`.
    public init(ofFile bytes: [UInt8], maximumPixels: Int) throws(SignalRefusal) {
        guard let format = ImageModality.format(ofFile: bytes) else { throw SignalRefusal(.undecodable, "neither a JPEG nor a PNG file") }
        self =
            format == "image/png"
            ? try PNG.decode(bytes, maximumPixels: maximumPixels) : try JPEG.decode(bytes, maximumPixels: maximumPixels)
    }

    /// The square in the middle, resized, in three channels.
    /// - Parameters:
    ///   - side: its side after resizing, in pixels.
    ///   - share: its side before, as a share of the shorter one.
    /// - Returns: (side, side, 3) samples 0…255.
    public func centralSquare(side: Int, share: Double) -> [Float] {
        let edge = max(1, min(width, height, Int((Double(min(width, height)) * share).rounded())))
        let part = cropped(left: (width - edge) / 2, top: (height - edge) / 2, side: edge)
        let square = Resize(from: (edge, edge), to: (side, side))(part)
        return channels == 3 ? square : square.flatMap { [$0, $0, $0] }
    }

    private func cropped(left: Int, top: Int, side: Int) -> Pixels {
        func part<Sample>(_ samples: [Sample]) -> [Sample] {
            var part: [Sample] = []
            part.reserveCapacity(side * side * channels)
            for row in top..<top + side {
                let start = (row * width + left) * channels
                part += samples[start..<start + side * channels]
            }
            return part
        }
        return Pixels(width: side, height: side, channels: channels, bytes: part(bytes), words: words.isEmpty ? [] : part(words))
    }
}

/// The maximum width and height of a picture in pixels, which is the limit of JPEG.
let maximumSide = 65_535

/// Checks the size of a picture.
/// - Throws: `wrongShape` without pixels; `tooLarge` for a side longer than `maximumSide` or more than `maximum` pixels.
func checkPixels(width: Int, height: Int, maximum: Int) throws(SignalRefusal) {
    guard width > 0, height > 0 else { throw SignalRefusal(.wrongShape, "an image of \(width) × \(height) pixels") }
    guard width <= maximumSide, height <= maximumSide else {
        throw SignalRefusal(.tooLarge, "\(width) × \(height) pixels, at most \(maximumSide) a side")
    }
    guard height <= maximum / width else {
        throw SignalRefusal(.tooLarge, "\(width) × \(height) pixels, at most \(maximum) (image.maximumPixels)")
    }
}

extension UInt8 {
    /// self · share / 255, rounded.
    func scaled(by share: UInt8) -> UInt8 { UInt8((Int(self) * Int(share) + 127) / 255) }
}
