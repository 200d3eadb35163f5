import Foundation
import Statistics

/// Any short vector of numbers (a pose, a gaze, an inertial reading) as one row: y = asinh((x − mean) / scale).
///
/// asinh is linear near zero and logarithmic for large values, so a value of any size is usable without running statistics.
public struct VectorModality: Modality {
    public static let name = "vector"
    public static let formats = ["vector/f32le"]
    public static let version: UInt32 = 1

    /// The settings of the frontend for vectors.
    public struct Configuration: ModalitySettings {
        /// The number of columns: a shorter vector is padded with zeros, a longer one refused.
        public var length = 16
        /// Subtracted from each component; 0 for components beyond the list.
        public var mean: [Double] = []
        /// Divides each component; 1 for components beyond the list.
        public var scale: [Double] = []

        public init() {}

        public var problems: [SettingsError] {
            [
                .unless("length", length, in: 1...65_536),
                mean.count > length ? SettingsError("mean", "has \(mean.count) values for a length of \(length)") : nil,
                mean.allSatisfy { Float($0).isFinite } ? nil : SettingsError("mean", "is not finite"),
                scale.count > length ? SettingsError("scale", "has \(scale.count) values for a length of \(length)") : nil,
                scale.allSatisfy { $0 > 0 && Float($0).isNormal }
                    ? nil : SettingsError("scale", "is not above zero, or no number of float32"),
            ].compactMap(\.self)
        }
    }

    private let length: Int
    private let mean: [Float]
    private let scale: [Float]

    public init(_ configuration: SignalConfiguration) throws(SettingsError) {
        let own = configuration[Self.self]
        if let problem = own.problems.first { throw problem }
        length = own.length
        mean = own.mean.map(Float.init) + Array(repeating: 0, count: length - own.mean.count)
        scale = own.scale.map(Float.init) + Array(repeating: 1, count: length - own.scale.count)
    }

    public static func shape(_ settings: Configuration) -> FeatureShape? {
        FeatureShape(columns: settings.length, settings: "vector.length")
    }

    public static func workingBytes(_ settings: Configuration) -> Double { 4 * Double(settings.length) }
    public static var place: SessionPlace { .values }

    public func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        guard reading.format == "vector/f32le" else { throw unknownFormat(reading) }
        let bytes = reading.payload.count
        guard bytes > 0 else { throw SignalRefusal(.empty, "a vector without components") }
        guard bytes <= 4 * length else { throw SignalRefusal(.tooLarge, "\(bytes) bytes for at most \(length) components (vector.length)") }
        guard bytes % 4 == 0 else { throw SignalRefusal(.truncated, "\(bytes) bytes are no whole number of float32") }
        var values = [Float](repeating: 0, count: length)
        for index in 0..<bytes / 4 {
            let value = reading.payload.float32(at: 4 * index)
            guard value.isFinite else { throw SignalRefusal(.nonFinite, "component \(index) is \(value)") }
            values[index] = asinh(
                max(-Float.greatestFiniteMagnitude, min(Float.greatestFiniteMagnitude, (value - mean[index]) / scale[index])))
        }
        return Features(modality: Self.name, version: Self.version, rows: 1, columns: length, values: values)
    }
}

extension SignalConfiguration {
    /// The settings of vectors.
    public var vector: VectorModality.Configuration {
        get { self[VectorModality.self] }
        set { self[VectorModality.self] = newValue }
    }
}
