import Schema
import Statistics

/// What may be done with readings, and what is taken out of texts before anything is kept.
public struct PrivacySettings: Codable, Sendable, Equatable {
    /// The class of readings and feedback that name none.
    public var consent = ConsentClass.share
    /// The classes of sources' readings and feedback that name none; of others it is `consent`.
    public var sources: [SourceConsent] = []
    /// Whether the model that all sessions share learns from `learnHere` too. Its updates are then marked as local, and the learner's
    /// endpoints may not leave this machine. Without it such moments are learned by their session's adapters and this machine's memory only.
    public var local = false
    /// Whose sources and sessions are whose, for `accrete forget --person`.
    public var persons: [PersonSources] = []
    /// The names of rules in `redactionRules`; empty: none.
    public var redact: [String] = []
    /// Patterns of one's own: # is a digit, @ a letter, * one or more letters or digits, anything else itself, whatever its case.
    public var patterns: [String] = []
    /// Names of people, places or things, of one or more words, whatever their case.
    public var names: [String] = []
    /// How the shared model learns with differential privacy.
    public var learning = PrivateLearningSettings()

    public init() {}

    /// The class of a message.
    /// - Parameters:
    ///   - named: by the message itself.
    ///   - source: who sent it.
    public func consent(_ named: Consent, of source: String) -> ConsentClass {
        ConsentClass(named) ?? sources.first { $0.source == source }?.consent ?? consent
    }

    /// The classes that the shared model learns from are this and milder ones.
    public var learned: ConsentClass { local ? .learnHere : .share }

    /// Whether anything is taken out.
    public var redacts: Bool { !redact.isEmpty || !patterns.isEmpty || !names.isEmpty }

    /// Every invalid setting, by key.
    public var problems: [SettingsError] {
        var found: [SettingsError] = []
        for rule in redact where redactionRules[rule] == nil {
            found.append(SettingsError("redact", "has '\(rule.prefix(64))', not one of \(redactionRules.names)"))
        }
        if sources.count > Self.most { found.append(SettingsError("sources", "\(sources.count) are more than \(Self.most)")) }
        if persons.count > Self.most { found.append(SettingsError("persons", "\(persons.count) are more than \(Self.most)")) }
        for (key, list) in [("patterns", patterns), ("names", names)] {
            if list.count > Self.most { found.append(SettingsError(key, "\(list.count) are more than \(Self.most)")) }
            for item in list
            where item.utf8.count > Self.longest || !item.contains(where: { $0.isLetter || $0.isNumber || "#@*".contains($0) }) {
                found.append(SettingsError(key, "'\(item.prefix(64))' is empty, or has more than \(Self.longest) bytes"))
            }
        }
        found += learning.problems.inSection("learning")
        if learning.enabled, learning.unit == .person, let problem = unitProblem { found.append(SettingsError("persons", problem)) }
        return found
    }

    /// Why persons cannot be units of learning: a moment says its session, not the sources that its readings are from.
    private var unitProblem: String? {
        if let person = persons.first(where: { $0.sessions?.isEmpty != false }) {
            return "'\(person.person.prefix(64))' has no sessions, by which privacy.learning knows the moments of a person"
        }
        let sessions = persons.flatMap { $0.sessions ?? [] }
        return Set(sessions).count < sessions.count ? "a session is of two persons, of which privacy.learning can protect one" : nil
    }

    private static let most = 1_024, longest = 128
}

/// The consent class of a source.
public struct SourceConsent: Codable, Sendable, Equatable {
    /// The source's name.
    public var source: String
    /// The class of what it sends without one.
    public var consent: ConsentClass

    public init(source: String, consent: ConsentClass) { (self.source, self.consent) = (source, consent) }
}

/// The sources and sessions of a person.
public struct PersonSources: Codable, Sendable, Equatable {
    /// The person's name, as it is given to be forgotten.
    public var person: String
    public var sources: [String]?
    public var sessions: [String]?

    public init(person: String, sources: [String]? = nil, sessions: [String]? = nil) {
        (self.person, self.sources, self.sessions) = (person, sources, sessions)
    }
}
