/// Why a journal could not be read or written: what was attempted, on which file, and the system's message.
public struct JournalError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted: “sync”.
    public let attempt: String
    /// The file's name within the journal's directory, or the directory.
    public let place: String
    public let reason: String

    public init(_ attempt: String, _ place: String, _ reason: String) {
        (self.attempt, self.place, self.reason) = (attempt, place, reason)
    }

    public var description: String { "cannot \(attempt) \(place): \(reason)" }
}
