/// A reading as published: its format, the sizes that a raw format does not contain, and the payload.
public struct RawReading: Sendable, Equatable {
    /// A key of `modalities`.
    public var modality: String
    /// A media type that the modality supports, such as `image/jpeg`.
    public var format: String
    /// Width in pixels; raw images only.
    public var width: Int
    /// Height in pixels; raw images only.
    public var height: Int
    /// The number of interleaved channels of raw audio; 0 means 1.
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

    /// A reading of text, in UTF-8.
    public init(text: String) {
        self.init(modality: "text", format: "text/utf-8", payload: Array(text.utf8))
    }

    /// A reading of a vector, in little-endian float32.
    public init(vector values: [Float]) {
        self.init(
            modality: "vector", format: "vector/f32le",
            payload: values.flatMap { value in
                withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
            })
    }
}
