import Senses
import Statistics

/// Images as patches: decoded, resized to size × size pixels, value = (pixel / 255 − mean) / scale, divided into squares.
///
/// A row is a patch, from left to right and top to bottom; the columns are a patch's lines, their pixels, and their channels.
/// Or as the features of a frozen pretrained network, which sees the square in an image's middle.
public struct ImageModality: Modality {
    public static let name = "image"
    public static let formats = ["image/jpeg", "image/png", "image/x-rgb8", "image/x-gray8"]
    public static let version: UInt32 = 2

    /// The settings of the frontend for images.
    public struct Configuration: ModalitySettings {
        /// `patches`, the name of a pretrained network in `imageFrontends`, or `outside`: features are published by a process of the user's.
        public var frontend = "patches"
        /// The file of a pretrained network; empty: the network's own name in `models`.
        public var weights = ""
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

        /// The pretrained network; nil for patches.
        var network: (any ImageFrontend.Type)? { imageFrontends[frontend] }
        /// Whether features are published by a process of the user's.
        var isOutside: Bool { frontend == ImageModality.outside }

        public var problems: [SettingsError] {
            [
                frontend == ImageModality.patches || isOutside || network != nil
                    ? nil
                    : SettingsError(
                        "frontend",
                        "is '\(frontend)', not one of \(ImageModality.patches), \(ImageModality.outside), \(imageFrontends.names)"),
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

    /// The name of the frontend without a network.
    public static let patches = "patches"
    /// The name of the frontend that is a process of the user's.
    public static let outside = "outside"

    private let configuration: Configuration
    private let network: (any ImageFrontend)?

    public init(_ configuration: SignalConfiguration) throws(SettingsError) {
        let own = configuration[Self.self]
        if let problem = own.problems.first { throw problem }
        if own.isOutside {
            throw SettingsError("image.frontend", "is '\(Self.outside)': the features of pictures come from a process of the user's")
        }
        self.configuration = own
        guard let type = own.network else {
            network = nil
            return
        }
        let path = own.weights.isEmpty ? "\(modelDirectory)/\(type.fileName)" : own.weights
        do { network = try type.init(path: path, threads: 1) } catch { throw SettingsError("image.frontend", error.description) }
    }

    public func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        let pixels = try decode(reading)
        return try network.map { network throws(SignalRefusal) in try features(of: pixels, network) } ?? patches(of: pixels)
    }

    /// The version is made of the file's digest, beyond all versions of patches.
    private func features(of pixels: Pixels, _ network: any ImageFrontend) throws(SignalRefusal) -> Features {
        let (values, shape) = try pixels.features(network)
        let size = configuration.size
        let small = Resize(from: (pixels.width, pixels.height), to: (size, size))(pixels)
        return Features(
            modality: Self.name, version: Self.version(of: network), rows: shape.rows, columns: shape.columns, values: values,
            validity: validity(of: small, channels: pixels.channels))
    }

    private static func version(of network: any ImageFrontend) -> UInt32 {
        (UInt32(network.digest.prefix(8), radix: 16) ?? 0) | 1 << 31
    }

    private func patches(of pixels: Pixels) -> Features {
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

    /// The picture that features of the frontend `patches` were made of, after resizing, as a PNG file.
    /// - Returns: nil for features of another frontend, or of other settings.
    public static func picture(of features: [Float], _ settings: Configuration) -> [UInt8]? {
        let (size, patch, channels) = (settings.size, settings.patch, settings.channels)
        guard settings.frontend == patches, settings.problems.isEmpty, features.count == size * size * channels else { return nil }
        let side = size / patch, run = patch * channels
        var bytes = [UInt8](repeating: 0, count: features.count)
        for (index, value) in features.enumerated() {
            let (place, line, column) = (index / (patch * run), index / run % patch, index % run)
            let pixel = 255 * (value * Float(settings.scale) + Float(settings.mean))
            guard pixel.isFinite else { continue }
            bytes[((place / side * patch + line) * side + place % side) * run + column] = UInt8(max(0, min(255, pixel.rounded())))
        }
        return PNG.encode(Pixels(width: size, height: size, channels: channels, bytes: bytes))
    }

    public static func shape(_ settings: Configuration) -> FeatureShape? {
        if settings.isOutside { return nil }
        if let network = settings.network {
            let shape = rowsAndColumns(of: network)
            return FeatureShape(rows: shape.rows, columns: shape.columns, settings: "image (frontend \(settings.frontend))")
        }
        let side = settings.size / settings.patch
        return FeatureShape(
            rows: side * side, columns: settings.patch * settings.patch * settings.channels,
            settings: "image (size \(settings.size), patch \(settings.patch), channels \(settings.channels))")
    }

    fileprivate static func rowsAndColumns(of network: any ImageFrontend.Type) -> (rows: Int, columns: Int) {
        (network.output.dropLast().reduce(1, *), network.output.last ?? 1)
    }

    /// An image, as bytes and as numbers, and a network's weights and activations.
    public static func workingBytes(_ settings: Configuration) -> Double {
        4 * 6 * Double(settings.size) * Double(settings.size) + (settings.network?.workingBytes ?? 0)
    }

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

extension Pixels {
    /// The features of a pretrained network, whose rows are places from left to right and top to bottom.
    /// - Throws: `nonFinite`.
    public func features(_ network: any ImageFrontend) throws(SignalRefusal) -> (values: [Float], shape: (rows: Int, columns: Int)) {
        let kind = type(of: network)
        var square = centralSquare(side: kind.input[0], share: kind.share)
        for i in square.indices { square[i] = (square[i] - kind.mean[i % 3]) / kind.scale[i % 3] }
        do {
            return (try network.features(of: square), ImageModality.rowsAndColumns(of: kind))
        } catch {
            throw SignalRefusal(.nonFinite, error.description)
        }
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

extension SignalConfiguration {
    /// Whether a modality's features are published by a process of the user's, and not by an extractor of the graph.
    public func isOutside(_ modality: String) -> Bool { modality == ImageModality.name && image.isOutside }
}
