import Statistics

/// The frontend of one modality: computes features from a raw reading. It learns nothing and has no state between readings, so the
/// same reading gives the same features, to the bit, on the same machine.
///
/// A modality is one file, and one line in `modalities`; functions also accept a longer list with other modalities. The static members
/// from `shape` on have defaults.
public protocol Modality: Sendable {
    /// The type of its section of `SignalConfiguration`.
    associatedtype Configuration: ModalitySettings

    /// The modality's name in topics and settings.
    static var name: String { get }
    /// The media types that it reads.
    static var formats: [String] { get }
    /// A number that is increased whenever the same reading would give other features.
    static var version: UInt32 { get }

    /// A frontend with the settings of its section.
    /// - Throws: `SettingsError`, the first invalid setting.
    init(_ configuration: SignalConfiguration) throws(SettingsError)

    /// Computes the features of a reading.
    /// - Throws: `SignalRefusal`, for the reasons
    ///   `unknownFormat`, `empty`, `truncated`, `undecodable`, `wrongShape`, `nonFinite`, `tooLarge`.
    func features(of reading: RawReading) throws(SignalRefusal) -> Features

    /// The shape of its features, if valid settings determine it; else nil.
    static func shape(_ settings: Configuration) -> FeatureShape?
    /// The approximate working memory of its frontend, in bytes.
    static func workingBytes(_ settings: Configuration) -> Double
    /// The name of the alignment policy for its readings, if no rule gives another.
    static var alignment: String { get }
    /// Whether features between two readings can be interpolated.
    static var interpolates: Bool { get }
    /// How a line of a session stores a reading.
    static var place: SessionPlace { get }
    /// The format of a file in a session directory, from its bytes; nil if it is none of the modality's.
    static func format(ofFile bytes: [UInt8]) -> String?
    /// The contents of the file in which a session directory stores a reading, and the file name's extension.
    static func file(of reading: RawReading) throws(SignalRefusal) -> (bytes: [UInt8], ending: String)
}

extension Modality {
    public static func shape(_ settings: Configuration) -> FeatureShape? { nil }
    public static func workingBytes(_ settings: Configuration) -> Double { 0 }
    public static var alignment: String { "concatenate" }
    public static var interpolates: Bool { true }
    public static var place: SessionPlace { .file }
    public static func format(ofFile bytes: [UInt8]) -> String? { formats.first }
    public static func file(of reading: RawReading) throws(SignalRefusal) -> (bytes: [UInt8], ending: String) { (reading.payload, "bin") }
}

/// The settings of one modality.
public protocol ModalitySettings: Codable, Sendable, Equatable {
    init()
    /// All invalid settings, by their keys within the section.
    var problems: [SettingsError] { get }
}

/// Rows and columns of a modality's features.
public struct FeatureShape: Sendable, Equatable {
    /// The number of rows; nil if it depends on the reading.
    public var rows: Int?
    /// The number of columns.
    public var columns: Int
    /// The settings that determine it, for messages, without `signals.`: `audio.bands`.
    public var settings: String

    public init(rows: Int? = nil, columns: Int, settings: String) {
        (self.rows, self.columns, self.settings) = (rows, columns, settings)
    }
}

/// How a session stores a reading: in a file of its own, or in the line, as text or as numbers. A line may always name a file instead.
public enum SessionPlace: Sendable {
    case file, text, values
}

/// Every modality, by name.
public let modalities: Named<any Modality.Type> = [
    TextModality.name: TextModality.self,
    ImageModality.name: ImageModality.self,
    AudioModality.name: AudioModality.self,
    VectorModality.name: VectorModality.self,
]

/// The frontend of a modality.
///
/// - Parameters:
///   - name: the modality's name.
///   - configuration: the settings of all modalities.
///   - list: the modalities by name.
/// - Throws: `SettingsError`: of the setting `modality` if there is none of that name, or of one of its settings.
public func frontend(
    for name: String, _ configuration: SignalConfiguration = SignalConfiguration(), from list: Named<any Modality.Type> = modalities
) throws(SettingsError) -> any Modality {
    guard let type = list[name] else {
        throw SettingsError("modality", "is '\(name)', not one of \(list.names)")
    }
    return try type.init(configuration)
}

extension Modality {
    /// The shape of its features under a whole configuration; nil if its settings are invalid or do not determine it.
    public static func shape(in configuration: SignalConfiguration) -> FeatureShape? {
        let settings = configuration[Self.self]
        return settings.problems.isEmpty ? shape(settings) : nil
    }

    /// The approximate working memory of its frontend under a whole configuration, in bytes.
    public static func workingBytes(in configuration: SignalConfiguration) -> Double { workingBytes(configuration[Self.self]) }
}

extension Modality {
    func unknownFormat(_ reading: RawReading) -> SignalRefusal {
        SignalRefusal(.unknownFormat, "\(Self.name) reads \(Self.formats.joined(separator: ", ")), not '\(reading.format)'")
    }
}
