import Statistics

/// What is taken out of texts before anything is kept.
public struct PrivacySettings: Codable, Sendable, Equatable {
    /// The names of rules in `redactionRules`; empty: none.
    public var redact: [String] = []
    /// Patterns of one's own: # is a digit, @ a letter, * one or more letters or digits, anything else itself, whatever its case.
    public var patterns: [String] = []
    /// Names of people, places or things, of one or more words, whatever their case.
    public var names: [String] = []

    public init() {}

    /// Whether anything is taken out.
    public var redacts: Bool { !redact.isEmpty || !patterns.isEmpty || !names.isEmpty }

    /// Every invalid setting, by key.
    public var problems: [SettingsError] {
        var found: [SettingsError] = []
        for rule in redact where redactionRules[rule] == nil {
            found.append(SettingsError("redact", "has '\(rule.prefix(64))', not one of \(redactionRules.names)"))
        }
        for (key, list) in [("patterns", patterns), ("names", names)] {
            if list.count > Self.most { found.append(SettingsError(key, "\(list.count) are more than \(Self.most)")) }
            for item in list
            where item.utf8.count > Self.longest || !item.contains(where: { $0.isLetter || $0.isNumber || "#@*".contains($0) }) {
                found.append(SettingsError(key, "'\(item.prefix(64))' is empty, or has more than \(Self.longest) bytes"))
            }
        }
        return found
    }

    private static let most = 1_024, longest = 128
}
