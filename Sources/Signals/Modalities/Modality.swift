import Statistics

/// The frontend of one modality: from a raw reading to features. It learns nothing and keeps nothing between readings,
/// so the same reading gives the same features, to the bit, on the same machine.
///
/// A modality is one file, and one line in `modalities`; whoever has one of their own hands on a longer list. What is below the frontend has defaults.
public protocol Modality: Sendable {
    /// Its section of `SignalConfiguration`.
    associatedtype Configuration: ModalitySettings

    static var name: String { get }
    /// Media types it reads.
    static var formats: [String] { get }
    /// Rises whenever the same reading would give other features.
    static var version: UInt32 { get }

    /// - Throws: the first of its own settings that makes no sense.
    init(_ configuration: SignalConfiguration) throws(SettingProblem)

    /// - Throws: `unknownFormat`, `empty`, `truncated`, `undecodable`, `wrongShape`, `nonFinite`, `tooLarge`.
    func features(of reading: RawReading) throws(SignalRefusal) -> Features

    /// The shape of its features, where settings that make sense decide it.
    static func shape(_ settings: Configuration) -> FeatureShape?
    /// Roughly the bytes that its frontend works in.
    static func workingBytes(_ settings: Configuration) -> Double
    /// How its readings are brought to a moment where no rule says so: a name of an alignment policy.
    static var alignment: String { get }
    /// Whether what lies between two readings can be computed.
    static var interpolates: Bool { get }
    /// How a session's line carries a reading.
    static var place: SessionPlace { get }
    /// The format of a file in a session directory, told by its bytes; nil for one that it does not read.
    static func format(ofFile bytes: [UInt8]) -> String?
    /// The file that a session directory keeps a reading in, and the ending of its name.
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
    /// Every setting that makes no sense, by its key within the section.
    var problems: [SettingProblem] { get }
}

/// Rows and columns of a modality's features.
public struct FeatureShape: Sendable, Equatable {
    /// Nil where it depends on the reading.
    public var rows: Int?
    public var columns: Int
    /// The settings that make it so, as a message names them behind `signals.`: `audio.bands`.
    public var settings: String

    public init(rows: Int? = nil, columns: Int, settings: String) {
        (self.rows, self.columns, self.settings) = (rows, columns, settings)
    }
}

/// Where a session keeps a reading: in a file of its own, or in the line, as words or as numbers. A line may always name a file instead.
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

/// The frontend of the modality called `name`.
/// - Throws: a problem of the setting `modality` if there is none of that name, or of one of its settings.
public func frontend(
    for name: String, _ configuration: SignalConfiguration = SignalConfiguration(), from list: Named<any Modality.Type> = modalities
) throws(SettingProblem) -> any Modality {
    guard let type = list[name] else {
        throw SettingProblem(key: "modality", problem: "is '\(name)', not one of \(list.names)")
    }
    return try type.init(configuration)
}

extension Modality {
    /// The shape of its features by a whole configuration; nil where its settings do not make sense.
    public static func shape(in configuration: SignalConfiguration) -> FeatureShape? {
        let settings = configuration[Self.self]
        return settings.problems.isEmpty ? shape(settings) : nil
    }

    /// Roughly the bytes that its frontend works in, by a whole configuration.
    public static func workingBytes(in configuration: SignalConfiguration) -> Double { workingBytes(configuration[Self.self]) }
}

extension Modality {
    func unknownFormat(_ reading: RawReading) -> SignalRefusal {
        SignalRefusal(.unknownFormat, "\(Self.name) reads \(Self.formats.joined(separator: ", ")), not '\(reading.format)'")
    }
}
