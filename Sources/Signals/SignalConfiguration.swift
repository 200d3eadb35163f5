import Statistics

/// The settings of all frontends, one section for each modality, by its name.
public struct SignalConfiguration: Sendable {
    private var sections: [String: any ModalitySettings]
    /// The sections' names as they are listed and written.
    private let names: [String]

    /// The defaults.
    public init(for list: Named<any Modality.Type> = modalities) {
        names = list.map(\.key)
        sections = [:]
        for (name, modality) in list { sections[name] = modality.defaults }
    }

    /// A modality's own section.
    public subscript<M: Modality>(modality: M.Type) -> M.Configuration {
        get { sections[M.name] as? M.Configuration ?? M.Configuration() }
        set { sections[M.name] = newValue }
    }

    /// All settings with values that are not allowed, by key (`image.patch`).
    public var problems: [SettingsError] {
        names.flatMap { section in (sections[section]?.problems ?? []).inSection(section) }
    }

}

extension SignalConfiguration: Equatable {
    public static func == (one: Self, other: Self) -> Bool {
        one.sections.keys == other.sections.keys && one.sections.allSatisfy { isEqual($1, other.sections[$0]) }
    }

    private static func isEqual<Own: ModalitySettings>(_ one: Own, _ other: (any ModalitySettings)?) -> Bool { other as? Own == one }
}

extension SignalConfiguration: Codable {
    private struct Section: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Section.self)
        let list = decoder.userInfo[.modalities] as? Named<any Modality.Type> ?? modalities
        names = list.map(\.key)
        sections = [:]
        for (name, modality) in list { sections[name] = try modality.settings(in: container, at: Section(stringValue: name)) }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Section.self)
        for name in names {
            if let settings = sections[name] { try container.encode(settings, forKey: Section(stringValue: name)) }
        }
    }
}

extension Modality {
    fileprivate static var defaults: any ModalitySettings { Configuration() }

    fileprivate static func settings<Key>(in container: KeyedDecodingContainer<Key>, at key: Key) throws -> any ModalitySettings {
        try container.decode(Configuration.self, forKey: key)
    }
}

extension CodingUserInfoKey {
    /// Where a decoder of settings finds a `Named<any Modality.Type>` that is longer than `modalities`.
    public static let modalities = CodingUserInfoKey("modalities")
}
