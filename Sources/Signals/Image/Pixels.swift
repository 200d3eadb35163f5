/// A decoded picture: 8 bits a channel, rows from the top, channels interleaved.
public struct Pixels: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// 1 (grey) or 3 (red, green, blue).
    public let channels: Int
    public var bytes: [UInt8]

    public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) {
        precondition(channels == 1 || channels == 3, "\(channels) channels")
        precondition(bytes.count == width * height * channels, "\(bytes.count) bytes for \(width) × \(height) × \(channels)")
        self.width = width
        self.height = height
        self.channels = channels
        self.bytes = bytes
    }

    /// The pixels of `image/x-rgb8` or `image/x-gray8`.
    /// - Throws: `wrongShape`, `tooLarge`, `truncated`.
    init(_ raw: RawReading, maximum: Int) throws(SignalRefusal) {
        try checkPixels(width: raw.width, height: raw.height, maximum: maximum)
        let channels = raw.format == "image/x-rgb8" ? 3 : 1
        let expected = raw.width * raw.height * channels
        guard raw.payload.count == expected else {
            throw SignalRefusal(raw.payload.count < expected ? .truncated : .wrongShape,
                                "\(raw.payload.count) bytes for \(raw.width) × \(raw.height) × \(channels)")
        }
        self.init(width: raw.width, height: raw.height, channels: channels, bytes: raw.payload)
    }
}

/// Refuses a picture whose header claims more than `maximum` pixels, or none.
func checkPixels(width: Int, height: Int, maximum: Int) throws(SignalRefusal) {
    guard width > 0, height > 0 else { throw SignalRefusal(.wrongShape, "an image of \(width) × \(height) pixels") }
    guard width <= maximum, height <= maximum / width else {
        throw SignalRefusal(.tooLarge, "\(width) × \(height) pixels, at most \(maximum) (image.maximumPixels)")
    }
}
