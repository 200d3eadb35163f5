import Statistics

/// Images as patches: decoded, resized to size × size pixels, value = (pixel / 255 − mean) / scale, divided into squares.
///
/// A row is a patch, from left to right and top to bottom; the columns are a patch's lines, their pixels, and their channels.
public struct ImageModality: Modality {
    public static let name = "image"
    public static let formats = ["image/jpeg", "image/png", "image/x-rgb8", "image/x-gray8"]
    public static let version: UInt32 = 2

    /// The settings of the frontend for images.
    public struct Configuration: ModalitySettings {
        /// The side after resizing, in pixels.
        public var size = 32
        /// The side of a patch, in pixels; divides `size`.
        public var patch = 8
        /// 3: colour, with grey images repeated; 1: grey, with the luma of colour images.
        public var channels = 3
        /// Subtracted from pixel values in 0…1.
        public var mean = 0.0
        /// Divides pixel values after the subtraction.
        public var scale = 1.0
        /// The standard deviation of the luma, in 0…1, below which an image counts as covered: validity = deviation / coveredContrast.
        public var coveredContrast = 0.02
        /// The largest number of pixels of an image that is decoded.
        public var maximumPixels = 16_777_216

        public init() {}

        public var problems: [SettingsError] {
            [
                .unless("size", size, in: 1...1024),
                .unless("patch", patch, in: 1...1024),
                patch > 0 && size % patch == 0
                    ? nil : SettingsError("patch", "is \(patch), which does not divide the size \(size)"),
                channels == 1 || channels == 3 ? nil : SettingsError("channels", "is \(channels), not 1 or 3"),
                .unless("mean", mean, in: -1...1),
                .unless("scale", scale, in: 1e-3...1e3),
                .unless("coveredContrast", coveredContrast, in: 1e-6...1),
                .unless("maximumPixels", maximumPixels, in: 1...(1 << 28)),
            ].compactMap(\.self)
        }
    }

    private let configuration: Configuration

    public init(_ configuration: SignalConfiguration) throws(SettingsError) {
        self.configuration = configuration[Self.self]
        if let problem = self.configuration.problems.first { throw problem }
    }

    public func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        let pixels = try decode(reading)
        let size = configuration.size
        let resized = Resize(from: (pixels.width, pixels.height), to: (size, size))(pixels)
        let picture = converted(resized, from: pixels.channels)
        let side = size / configuration.patch
        let mean = Float(configuration.mean)
        let factor = 1 / Float(configuration.scale)
        var values: [Float] = []
        values.reserveCapacity(picture.count)
        let run = configuration.patch * configuration.channels
        for patch in 0..<side * side {
            for line in 0..<configuration.patch {
                let start = ((patch / side * configuration.patch + line) * side + patch % side) * run
                for index in start..<start + run { values.append((picture[index] / 255 - mean) * factor) }
            }
        }
        return Features(
            modality: Self.name, version: Self.version, rows: side * side, columns: configuration.patch * run, values: values,
            validity: validity(of: resized, channels: pixels.channels))
    }

    public static func shape(_ settings: Configuration) -> FeatureShape? {
        let side = settings.size / settings.patch
        return FeatureShape(
            rows: side * side, columns: settings.patch * settings.patch * settings.channels,
            settings: "image (size \(settings.size), patch \(settings.patch), channels \(settings.channels))")
    }

    /// An image, as bytes and as numbers.
    public static func workingBytes(_ settings: Configuration) -> Double { 4 * 6 * Double(settings.size) * Double(settings.size) }

    /// The last image of a moment is used.
    public static var alignment: String { "latest" }

    public static func format(ofFile bytes: [UInt8]) -> String? {
        PNG.recognises(bytes) ? "image/png" : JPEG.recognises(bytes) ? "image/jpeg" : nil
    }

    /// The original file, or a PNG file; 8-bit pixels of raw images are stored without loss.
    public static func file(of reading: RawReading) throws(SignalRefusal) -> (bytes: [UInt8], ending: String) {
        switch reading.format {
        case "image/png": (reading.payload, "png")
        case "image/jpeg": (reading.payload, "jpg")
        default: (PNG.encode(try Pixels(reading, maximum: 1 << 28)), "png")
        }
    }

    private func decode(_ reading: RawReading) throws(SignalRefusal) -> Pixels {
        guard Self.formats.contains(reading.format) else { throw unknownFormat(reading) }
        guard !reading.payload.isEmpty else { throw SignalRefusal(.empty, "an image without bytes") }
        switch reading.format {
        case "image/jpeg": return try JPEG.decode(reading.payload, maximumPixels: configuration.maximumPixels)
        case "image/png": return try PNG.decode(reading.payload, maximumPixels: configuration.maximumPixels)
        default: return try Pixels(reading, maximum: configuration.maximumPixels)
        }
    }

    private func converted(_ picture: [Float], from channels: Int) -> [Float] {
        if channels == configuration.channels { return picture }
        return channels == 1 ? picture.flatMap { [$0, $0, $0] } : luma(picture)
    }

    /// Grows with the standard deviation of the luma up to `coveredContrast`.
    private func validity(of picture: [Float], channels: Int) -> Float {
        let grey = channels == 1 ? picture : luma(picture)
        let mean = grey.reduce(0, +) / Float(grey.count)
        let variance = grey.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(grey.count)
        return min(1, variance.squareRoot() / 255 / Float(configuration.coveredContrast))
    }
}

extension SignalConfiguration {
    /// The settings of images.
    public var image: ImageModality.Configuration {
        get { self[ImageModality.self] }
        set { self[ImageModality.self] = newValue }
    }
}

/// Y = 0.299 R + 0.587 G + 0.114 B.  https://www.itu.int/rec/R-REC-BT.601
private func luma(_ picture: [Float]) -> [Float] {
    stride(from: 0, to: picture.count, by: 3).map { 0.299 * picture[$0] + 0.587 * picture[$0 + 1] + 0.114 * picture[$0 + 2] }
}
