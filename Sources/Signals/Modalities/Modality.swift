/// The frontend of one modality: from a raw reading to features. It learns nothing and keeps nothing between readings,
/// so the same reading gives the same features, to the bit, on the same machine.
public protocol Modality: Sendable {
    static var name: String { get }
    /// Media types it reads.
    static var formats: [String] { get }
    /// Rises whenever the same reading would give other features.
    static var version: UInt32 { get }

    /// - Throws: the first of its own settings that makes no sense.
    init(_ configuration: SignalConfiguration) throws(SettingProblem)

    /// - Throws: `unknownFormat`, `empty`, `truncated`, `undecodable`, `wrongShape`, `nonFinite`, `tooLarge`.
    func features(of reading: RawReading) throws(SignalRefusal) -> Features
}

/// Every modality, by name.
public let modalities: KeyValuePairs<String, any Modality.Type> = [
    TextModality.name: TextModality.self,
    ImageModality.name: ImageModality.self,
    AudioModality.name: AudioModality.self,
    VectorModality.name: VectorModality.self,
]

/// The frontend of the modality called `name`.
/// - Throws: a problem of the setting `modality` if there is none of that name, or of one of its settings.
public func frontend(for name: String, _ configuration: SignalConfiguration = SignalConfiguration()) throws(SettingProblem) -> any Modality
{
    guard let type = modalities.first(where: { $0.key == name })?.value else {
        throw SettingProblem(key: "modality", problem: "is '\(name)', not one of \(modalities.map(\.key).joined(separator: ", "))")
    }
    return try type.init(configuration)
}

extension Modality {
    func unknownFormat(_ reading: RawReading) -> SignalRefusal {
        SignalRefusal(.unknownFormat, "\(Self.name) reads \(Self.formats.joined(separator: ", ")), not '\(reading.format)'")
    }
}
