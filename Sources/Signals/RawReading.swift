/// One reading as its publisher sent it: a format's name, the few numbers that a raw format leaves out, and bytes.
public struct RawReading: Sendable, Equatable {
    /// A name in `modalities`.
    public var modality: String
    /// A media type that the modality knows, such as `image/jpeg`.
    public var format: String
    /// Pixels; raw images only.
    public var width: Int
    public var height: Int
    /// Interleaved channels of raw audio; 0 reads as 1.
    public var channels: Int
    /// Hertz; raw audio only.
    public var sampleRate: Int
    public var payload: [UInt8]

    public init(
        modality: String, format: String, width: Int = 0, height: Int = 0, channels: Int = 0, sampleRate: Int = 0,
        payload: [UInt8]
    ) {
        self.modality = modality
        self.format = format
        self.width = width
        self.height = height
        self.channels = channels
        self.sampleRate = sampleRate
        self.payload = payload
    }

    /// Words as a reading.
    public init(text: String) {
        self.init(modality: "text", format: "text/utf-8", payload: Array(text.utf8))
    }

    /// Numbers as a reading, little-endian.
    public init(vector values: [Float]) {
        self.init(
            modality: "vector", format: "vector/f32le",
            payload: values.flatMap { value in
                withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
            })
    }
}
