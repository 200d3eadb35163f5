import Messaging
import Pipeline

/// The part of the configuration that one executable uses. All of them read the same file; each decodes the sections it needs.
///
/// A stage that uses few sections does not link what the others are about: the defaults of all sections are text (`defaultConfiguration`),
/// against which every key is checked.
public protocol StageSettings: Codable, Sendable {
    /// The defaults.
    init()

    var mode: Mode { get }
    var endpoints: Endpoints { get }
    var messaging: Limits { get }
    var lockstep: LockstepSettings { get }
    /// The modalities that extractors publish features of: the model's senses and text, without those that fuse computes itself.
    var extracted: [String] { get }
    /// Whether sessions have adapters of their own, which the learner publishes.
    var sessionsAdapt: Bool { get }

    /// The whole configuration with its defaults, as YAML, by which keys of other sections are known; nil where these are all of them.
    static var whole: String? { get }

    /// Every setting of these sections that makes no sense, by its dotted key.
    var problems: [(key: String, text: String)] { get }

    /// Sets what follows from other settings and was not given.
    /// - Parameter isGiven: whether somebody has set the key.
    mutating func complete(unless isGiven: (_ key: String) -> Bool)

    /// Other keys that a problem of `key` may be due to.
    static func related(to key: String) -> [String]
}

extension StageSettings {
    public var sessionsAdapt: Bool { false }
    public static var whole: String? { defaultConfiguration }
    public mutating func complete(unless isGiven: (_ key: String) -> Bool) {}
    public static func related(to key: String) -> [String] { [] }
}

/// How replays in lockstep are kept together.
public struct LockstepSettings: Codable, Sendable, Equatable {
    /// Moments on their way through the graph at once.
    public var window = 32
    /// Without progress for this long, in seconds, the replay gives up.
    public var patience = 120.0

    public init() {}
}

/// The senses of the model by name, for stages that know nothing else of it.
public struct ModelSenses: Codable, Sendable {
    private struct Sense: Codable { var name: String }
    private enum CodingKeys: CodingKey { case senses }

    /// In the order of the configuration.
    public let names: [String]

    public init(_ names: [String] = []) { self.names = names }

    public init(from decoder: any Decoder) throws {
        names = try decoder.container(keyedBy: CodingKeys.self).decode([Sense].self, forKey: .senses).map(\.name)
    }

    /// Encodes nothing: what a stage does not know is not compared with what was given.
    public func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: CodingKeys.self) }

    /// The name of the text modality, which every model has.
    public static let text = "text"
    /// The name of the sense that fuse computes from the words with a pretrained encoder, where `fuse.sentence` names one.
    public static let sentence = "sentence"

    /// The modalities that extractors publish features of.
    /// - Parameter hasEncoder: whether `fuse.sentence` names a pretrained encoder.
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

    /// Encodes nothing: what a stage does not know is not compared with what was given.
    public func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: Key.self) }
}
