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
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        } catch {
            throw SettingsError("", "not JSON: \(json.prefix(80))")
        }
        try self.init(value)
    }

    /// Reads a JSON object over the defaults.
    public init(_ value: JSONValue) throws(SettingsError) {
        guard case .object(let given) = value else { throw SettingsError("", "not a JSON object of settings") }
        self.init()
        guard case .object(var merged)? = try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)) else {
            preconditionFailure("\(Self.self) is not written as an object")
        }
        let known = merged.keys.sorted()
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        for (key, value) in given.sorted(by: { $0.key < $1.key }) {
            guard merged.updateValue(value, forKey: key) != nil else {
                throw SettingsError(key, known.isEmpty ? "unknown; there are no settings" : "unknown; there are \(known.joined(separator: ", "))")
            }
            do {
                self = try decoder.decode(Self.self, from: JSONEncoder().encode(merged))
            } catch {
                throw SettingsError(key, "cannot be \(value)")
            }
        }
        try validate()
    }

    /// The settings as JSON with sorted keys.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(self) else { preconditionFailure("\(Self.self) holds a number JSON has no word for") }
        return String(decoding: data, as: UTF8.self)
    }
}

extension SettingsError {
    /// Throws `problem` about `key` unless `holds`.
    public static func require(_ holds: Bool, _ key: String, _ problem: @autoclosure () -> String) throws(SettingsError) {
        if !holds { throw SettingsError(key, problem()) }
    }
}
