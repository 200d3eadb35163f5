import Messaging
import Pipeline
import Statistics

/// The part of the configuration that one executable uses. All executables read the same file; each decodes the sections it needs.
///
/// A stage that uses few sections does not link the modules of the others: the defaults of all sections are text
/// (`defaultConfiguration`), against which every key is checked.
public protocol StageSettings: Codable, Sendable {
    /// The defaults.
    init()

    var mode: Mode { get }
    var endpoints: Endpoints { get }
    var messaging: Limits { get }
    var lockstep: LockstepSettings { get }
    var security: SecuritySettings { get }
    /// The modalities that extractors publish features of: the model's senses and text, without those that fuse computes itself.
    var extracted: [String] { get }
    /// Whether sessions have their own adapters, which the learner publishes.
    var sessionsAdapt: Bool { get }

    /// Whether the learner answers subscribers that ask for models, because it publishes deltas or tries versions first.
    var answersSubscribers: Bool { get }

    /// The whole configuration with its defaults, as YAML, for checking the keys of other sections; nil where these settings are the whole.
    static var whole: String? { get }

    /// Every invalid setting of these sections, by its dotted key.
    var problems: [SettingsError] { get }

    /// Sets values that follow from other settings and were not given.
    /// - Parameter isGiven: whether the key was set by a file, a variable or the command line.
    mutating func complete(unless isGiven: (_ key: String) -> Bool)

    /// Other keys that may be the cause of a problem of `key`.
    static func related(to key: String) -> [String]
}

extension StageSettings {
    public var sessionsAdapt: Bool { false }
    public var answersSubscribers: Bool { false }
    public static var whole: String? { defaultConfiguration }
    public mutating func complete(unless isGiven: (_ key: String) -> Bool) {}
    public static func related(to key: String) -> [String] { [] }
}

/// The bounds of replays in lockstep.
public struct LockstepSettings: Codable, Sendable, Equatable {
    /// The most moments that are in the graph at once.
    public var window = 32
    /// Without progress for this long, in seconds, the replay fails.
    public var patience = 120.0

    public init() {}
}

/// The names of the model's senses, for stages that need nothing else of its settings.
public struct ModelSenses: Codable, Sendable {
    private struct Sense: Codable { var name: String }
    private enum CodingKeys: CodingKey { case senses }

    /// In the order of the configuration.
    public let names: [String]

    public init(_ names: [String] = []) { self.names = names }

    public init(from decoder: any Decoder) throws {
        names = try decoder.container(keyedBy: CodingKeys.self).decode([Sense].self, forKey: .senses).map(\.name)
    }

    /// Encodes nothing: settings that a stage does not know are not compared with the given ones.
    public func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: CodingKeys.self) }

    /// The name of the text modality, which every model has.
    public static let text = "text"
    /// The name of the sense that fuse computes from the text with a pretrained encoder, where `fuse.sentence` names one.
    public static let sentence = "sentence"

    /// The modalities that extractors publish features of.
    /// - Parameters:
    ///   - senses: the model's, by name.
    ///   - hasEncoder: whether `fuse.sentence` names a pretrained encoder.
    public static func extracted(_ senses: [String], hasEncoder: Bool) -> [String] {
        (senses + [text]).filter { !hasEncoder || $0 != sentence }
    }
}

/// The names of a section's keys, for stages that need nothing else of it.
public struct SectionNames: Codable, Sendable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// In the order of the configuration.
    public let names: [String]

    public init(_ names: [String] = []) { self.names = names }

    public init(from decoder: any Decoder) throws {
        names = try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue)
    }

    /// Encodes nothing: settings that a stage does not know are not compared with the given ones.
    public func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: Key.self) }
}
