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
}

/// Refuses a picture whose header claims more than `maximum` pixels, or none.
func checkPixels(width: Int, height: Int, maximum: Int) throws(SignalRefusal) {
    guard width > 0, height > 0 else { throw SignalRefusal(.wrongShape, "an image of \(width) × \(height) pixels") }
    guard width <= maximum, height <= maximum / width else {
        throw SignalRefusal(.tooLarge, "\(width) × \(height) pixels, at most \(maximum) (image.maximumPixels)")
    }
}
