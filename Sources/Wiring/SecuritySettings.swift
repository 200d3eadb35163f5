import Messaging
import Schema
import Statistics

/// Who may take part in a graph over TCP.
public struct SecuritySettings: Codable, Sendable, Equatable {
    /// Directory of the keys; empty: nothing is encrypted.
    public var keys = ""
    /// The key of the directory with which the process connects; empty: the graph's own.
    public var name = ""
    /// The most messages that the owner of a key may send in a second, where its entry says nothing else.
    public var messageRate = 1e4
    /// The most bytes that the owner of a key may send in a second, where its entry says nothing else.
    public var byteRate = 268_435_456.0

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
        var found = problems.found
        if keys.hasPrefix("~") { found.append(SettingsError("keys", "'\(keys.prefix(120))' begins with ~, which nothing expands")) }
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
