import Foundation
import StrictJSON

/// The settings of a component that is chosen by name, with usable defaults and a validation. In JSON their keys are in snake case.
///
/// Settings given as JSON override the defaults key by key; keys that are not given keep their defaults.
/// A setting must not be an optional: one that is nil would be missing from the JSON of the defaults, and its key thus be unknown.
public protocol Settings: Codable, Sendable, Equatable {
    /// The defaults.
    init()

    /// Checks all settings.
    /// - Throws: the first setting whose value is not allowed.
    func validate() throws(SettingsError)
}

/// A setting that is unknown or not allowed: its key, and the problem.
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
    /// The defaults, overridden by the JSON text `{"key": value, …}`.
    /// - Throws: an unknown key, a value of a wrong type or one out of range; the error names the key.
    public init(json: String) throws(SettingsError) {
        guard let value = try? JSONDecoder().decode(JSON.self, from: Data(json.utf8)) else {
            throw SettingsError("", "not JSON: \(json.prefix(80))")
        }
        try self.init(value)
    }

    /// The defaults, overridden by a JSON object.
    /// - Throws: an unknown key, a value of a wrong type or one out of range; the error names the key.
    public init(_ value: JSON) throws(SettingsError) {
        self.init()
        try merge(value)
    }

    /// Overrides these settings by those of a JSON object; nested objects are merged in the same way.
    /// - Throws: an unknown key, a value of a wrong type or one out of range; the error names the key.
    public mutating func merge(_ value: JSON) throws(SettingsError) {
        guard case .object(let given) = value else { throw SettingsError("", "not a JSON object of settings") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var merged = self.value
        // One key at a time, so that the error for a value that cannot be decoded names its key.
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
    public var value: JSON {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(self), let value = try? JSONDecoder().decode(JSON.self, from: data) else {
            preconditionFailure("\(Self.self) holds a number that JSON cannot represent")
        }
        return value
    }

    /// The settings as JSON with sorted keys.
    public var json: String { value.description }
}

/// `base` with the given keys replaced; an object is merged into an object, except into an empty one, which it replaces.
private func overlay(_ given: [String: JSON], on base: JSON, path: [String]) throws(SettingsError) -> JSON {
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
