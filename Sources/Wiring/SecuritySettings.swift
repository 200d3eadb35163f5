import Messaging
import Schema
import Statistics

/// Who may take part in a graph over TCP, and whose updates of the model are believed.
public struct SecuritySettings: Codable, Sendable, Equatable {
    /// Directory of the keys; empty: nothing is encrypted.
    public var keys = ""
    /// The key of the directory with which the process connects; empty: the graph's own.
    public var name = ""
    /// The most messages that the owner of a key may send in a second, where its entry says nothing else.
    public var messageRate = 1e4
    /// The most bytes that the owner of a key may send in a second, where its entry says nothing else.
    public var byteRate = 268_435_456.0

    /// Directory of the keys of updates; empty: updates are neither signed nor checked.
    public var updates = ""
    /// Seconds for which a signed update is believed.
    public var updateLifetime = 3600.0
    /// The most versions by which a signed update may be ahead of the newest.
    public var widestJump = 100_000

    public init() {}

    /// The keys; nil where nothing is encrypted.
    /// - Throws: `MessagingError` where a file cannot be read, is open to others, or is no key.
    public func open() throws(MessagingError) -> Security? {
        guard !keys.isEmpty else { return nil }
        return try Security(
            KeyDirectory(keys), name: name.isEmpty ? nil : name, rates: Security.Rates(messages: messageRate, bytes: byteRate))
    }

    /// The invalid settings, by key.
    public var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("messageRate", messageRate, in: 0.1...1e12)
        problems.require("byteRate", byteRate, in: 1...1e12)
        problems.require("updateLifetime", updateLifetime, in: 10...31_536_000)
        problems.require("widestJump", widestJump, in: 1...1_000_000_000_000)
        var found = problems.found
        for (key, path) in [("keys", keys), ("updates", updates)] where path.hasPrefix("~") {
            found.append(SettingsError(key, "'\(path.prefix(120))' begins with ~, which nothing expands"))
        }
        if !name.isEmpty, keys.isEmpty { found.append(SettingsError("name", "names a key, but keys names no directory")) }
        if !name.isEmpty, !TopicComponent.isValid(name) {
            found.append(SettingsError("name", "'\(name.prefix(120))' is no name of a key: letters, digits, - and _"))
        }
        return found
    }
}

extension StageSettings {
    /// A bus with the keys of these settings.
    /// - Throws: `MessagingError` where the keys cannot be read.
    public func openBus() throws(MessagingError) -> ZeroMQBus { try ZeroMQBus(security: security.open()) }
}
