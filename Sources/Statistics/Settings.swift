import Foundation

/// The settings of something chosen by name: defaults that work, keys in snake case when written as JSON,
/// and a check that refuses nonsense before anything runs.
///
/// Settings given as JSON are laid over the defaults, so whoever knows one key need not know the others.
/// Every setting has a value: an optional that is nil would not be known by its key.
public protocol Settings: Codable, Sendable, Equatable {
    /// The defaults.
    init()

    /// Throws the first setting that makes no sense.
    func validate() throws(SettingsError)
}

/// A setting that cannot be used: which, and why.
public struct SettingsError: Error, Equatable, CustomStringConvertible {
    public let key: String
    public let problem: String

    public init(_ key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { key.isEmpty ? "settings: \(problem)" : "setting '\(key)': \(problem)" }
}

extension Settings {
    /// Reads `{"key": value, …}` over the defaults; an unknown key, a value of a wrong type or one out of range is refused by name.
    public init(json: String) throws(SettingsError) {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)) else {
            throw SettingsError("", "not JSON: \(json.prefix(80))")
        }
        try self.init(value)
    }

    /// Reads a JSON object over the defaults.
    public init(_ value: JSONValue) throws(SettingsError) {
        self.init()
        try lay(value)
    }

    /// Lays a JSON object over these settings; an object inside is laid over the one it meets.
    public mutating func lay(_ value: JSONValue) throws(SettingsError) {
        guard case .object(let given) = value else { throw SettingsError("", "not a JSON object of settings") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var merged = self.value
        // One key after another, so that a value that cannot be read is known by its key.
        for (key, value) in given.sorted(by: { $0.key < $1.key }) {
            merged = try overlay([key: value], on: merged, path: [])
            do {
                self = try decoder.decode(Self.self, from: JSONEncoder().encode(merged))
            } catch let DecodingError.dataCorrupted(context) where !context.codingPath.isEmpty {
                throw SettingsError(key, context.debugDescription)
            } catch {
                throw SettingsError(key, "cannot be \(value)")
            }
        }
        try validate()
    }

    /// The settings as a JSON object.
    public var value: JSONValue {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(self), let value = try? JSONDecoder().decode(JSONValue.self, from: data) else {
            preconditionFailure("\(Self.self) holds a number JSON has no word for")
        }
        return value
    }

    /// The settings as JSON with sorted keys.
    public var json: String { value.description }
}

/// The base with the given keys replaced; objects are laid over objects, except over empty ones, which stand for anything.
private func overlay(_ given: [String: JSONValue], on base: JSONValue, path: [String]) throws(SettingsError) -> JSONValue {
    guard case .object(var merged) = base else { return .object(given) }
    for (key, value) in given {
        let name = (path + [key]).joined(separator: ".")
        guard let old = merged[key] else {
            throw SettingsError(
                name,
                merged.isEmpty ? "unknown; there are no settings" : "unknown; there are \(merged.keys.sorted().joined(separator: ", "))")
        }
        if case .object(let inner) = value, case .object(let known) = old, !known.isEmpty {
            merged[key] = try overlay(inner, on: old, path: path + [key])
        } else {
            merged[key] = value
        }
    }
    return .object(merged)
}

extension SettingsError {
    /// Throws `problem` about `key` unless `holds`.
    public static func require(_ holds: Bool, _ key: String, _ problem: @autoclosure () -> String) throws(SettingsError) {
        if !holds { throw SettingsError(key, problem()) }
    }
}
