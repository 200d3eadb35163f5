import Configuration
import Extract
import Privacy
import Schema

/// What is to be forgotten: sources, sessions, or both.
public struct ForgottenSubject: Sendable, Equatable {
    public let sources: Set<String>, sessions: Set<String>

    /// - Parameter sources: the words that were transcribed from their sounds are theirs too.
    public init(sources: Set<String> = [], sessions: Set<String> = []) {
        self.sources = sources.union(sources.map { SpokenWords.source(of: $0) })
        self.sessions = sessions
    }

    /// A person, with the sources and sessions that the settings name.
    /// - Returns: nil where the settings name no such person.
    public init?(person: String, _ settings: PrivacySettings) {
        guard let found = settings.persons.first(where: { $0.person == person }) else { return nil }
        self.init(sources: Set(found.sources ?? []), sessions: Set(found.sessions ?? []))
    }

    /// Whether a record of ingest's journal is of it.
    func owns(_ entry: JournalEntry) -> Bool {
        switch entry.input {
        case .reading(let reading)?: owns(reading.stamp, reading.session)
        case .cut(let cut)?: owns(cut.stamp, cut.session)
        case .feedback(let feedback)?: owns(feedback.stamp, feedback.session)
        case .withheld(let place)?: sessions.contains(place.session)
        case .refused, nil: false
        }
    }

    /// Whether a key of ingest's journal, the name of a publisher, is of it.
    func owns(key: [UInt8]) -> Bool { sources.contains(String(decoding: key, as: UTF8.self)) }

    private func owns(_ stamp: Stamp, _ session: String) -> Bool { sources.contains(stamp.source) || sessions.contains(session) }
}

extension JournalEntry {
    /// The session of what came.
    var session: String? {
        switch input {
        case .reading(let reading)?: reading.session
        case .cut(let cut)?: cut.session
        case .feedback(let feedback)?: feedback.session
        case .withheld(let place)?: place.session
        case .refused, nil: nil
        }
    }
}
