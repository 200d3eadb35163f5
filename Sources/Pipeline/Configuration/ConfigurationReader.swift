import Foundation
import Statistics
import Yams

/// Reads a typed configuration from one YAML file, the environment and command-line overrides, in that order, on top of
/// the type's defaults. Every key must exist in the defaults, and every value must have the default's kind, so a misspelt key
/// is reported with its file and line instead of being ignored.
///
/// The defaults are the value's own encoding: a key is known when `Settings()` encodes it. An empty mapping in the defaults is open: it
/// takes any key.
public struct ConfigurationReader<Settings: Codable & Sendable>: Sendable {
    /// The settings when nothing is given.
    public let defaults: Settings
    /// The whole configuration with its defaults, as YAML, where the settings are a part of it; nil: the settings are the whole.
    private let wholeText: String?

    /// - Parameter whole: the whole configuration as YAML, where the settings are a part of it: keys of other parts are checked too.
    public init(defaults: Settings, whole: String? = nil) {
        self.defaults = defaults
        wholeText = whole
    }

    /// The settings, and where each key that is not a default was set.
    public struct Reading: Sendable {
        /// The settings as read.
        public var settings: Settings
        /// By dotted key, where it was set; without the keys at their defaults.
        public let origins: [String: Origin]

        /// The place where `key`, or the nearest key above it, was set; else the first place where a key below it was set.
        public func origin(of key: String) -> Origin {
            var path = key.split(separator: ".")[...]
            while !path.isEmpty {
                if let found = origins[path.joined(separator: ".")] { return found }
                path = path.dropLast()
            }
            return origins.filter { $0.key.hasPrefix(key + ".") }.min { $0.key < $1.key }?.value ?? .defaults
        }
    }

    /// Reads and checks the settings.
    /// - Parameters:
    ///   - file: name and text of a YAML file, if there is one.
    ///   - environment: variables named `ACCRETE_` and the key in capitals, dots as double underscores
    ///     (`ACCRETE_LEARN__SEED`; words of a key are joined: `ACCRETE_FUSE__LATENESS`).
    ///   - overrides: `key=value`, as given to `--set`; the value is YAML.
    /// - Throws: `ConfigurationError` with every problem found, each with its place.
    public func read(
        file: (name: String, text: String)? = nil, environment: [String: String] = [:],
        overrides: [String] = []
    ) throws(ConfigurationError) -> Reading {
        var merge = ConfigurationMerge(tree: try whole)
        if let file { merge.overlay(text: file.text, of: file.name) }
        let known = merge.keysByVariable
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix("ACCRETE_") {
            guard let key = known[variable] else {
                if !variable.contains("__") { continue }  // not a setting of ours: a variable of a user's own
                merge.report("\(variable) names no setting", at: .environment(variable))
                continue
            }
            merge.set(key: key, yaml: value, from: .environment(variable))
        }
        for override in overrides {
            guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
                merge.report("--set wants key=value, not '\(override.prefix(80))'", at: .commandLine)
                continue
            }
            merge.set(key: String(override[..<equals]), yaml: String(override[override.index(after: equals)...]), from: .commandLine)
        }
        guard merge.problems.isEmpty else { throw ConfigurationError(problems: merge.problems) }
        let settings: Settings
        do {
            settings = try YAMLDecoder().decode(Settings.self, from: merge.tree)
        } catch let error as DecodingError {
            throw ConfigurationError(problems: [error.problem(in: merge)])
        } catch {
            throw ConfigurationError(problems: [.init(origin: .defaults, text: "the settings do not fit together: \(error)")])
        }
        merge.compare(with: try tree(of: settings))
        guard merge.problems.isEmpty else { throw ConfigurationError(problems: merge.problems) }
        return Reading(settings: settings, origins: merge.origins)
    }

    /// Every key with its default, in the order of the type's declaration, for documentation and checks.
    /// - Throws: `ConfigurationError` where the defaults do not encode.
    public func keys() throws(ConfigurationError) -> [(key: String, value: String)] {
        ConfigurationMerge.leaves(of: try tree(of: defaults)).map { ($0.key, $0.node.compact) }
    }

    private var whole: Node {
        get throws(ConfigurationError) {
            guard let wholeText else { return try tree(of: defaults) }
            do {
                return try compose(yaml: wholeText) ?? Node([:])
            } catch {
                throw ConfigurationError(problems: [.init(origin: .defaults, text: "the defaults are not YAML: \(error)")])
            }
        }
    }

    func tree(of settings: Settings) throws(ConfigurationError) -> Node {
        do {
            let text = try YAMLEncoder().encode(settings)
            return try compose(yaml: text) ?? Node([:])
        } catch {
            throw ConfigurationError(problems: [.init(origin: .defaults, text: "the settings do not encode: \(error)")])
        }
    }
}

extension DecodingError {
    /// The error as a problem, with its key and its place.
    func problem(in merge: ConfigurationMerge) -> ConfigurationError.Problem {
        let (context, missing): (Context, String?) =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): (context, nil)
            case .keyNotFound(let key, let context): (context, key.stringValue)
            @unknown default: (Context(codingPath: [], debugDescription: "\(self)"), nil)
            }
        let node = context.codingPath.reduce(Optional(merge.tree)) { node, key in
            guard let index = key.intValue else { return node?.mapping?[key.stringValue] }
            return node?.sequence.flatMap { $0.indices.contains(index) ? $0[index] : nil }
        }
        let path = context.codingPath.reduce("") { path, key in
            key.intValue.map { "\(path)[\($0)]" } ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
        }
        let text =
            switch self {
            case .typeMismatch(let type, _), .valueNotFound(let type, _):
                "\(path) " + (node?.misfit(Self.kind(of: type)) ?? "wants \(Self.kind(of: type)), not '\(node?.shown ?? "")'")
            default: missing.map { "\(path) wants the key \($0)" } ?? "\(path): \(context.debugDescription)"
            }
        return .init(origin: merge.place(of: path, node), text: text)
    }

    private static func kind(of type: Any.Type) -> String {
        switch type {
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is String.Type: "a text"
        case is [Any].Type: "a list"
        default: String(describing: type).hasPrefix("Array") ? "a list" : "keys and values"
        }
    }
}

/// Where a setting comes from.
public enum Origin: Sendable, Equatable, CustomStringConvertible {
    case defaults
    case file(String, line: Int)
    case environment(String)
    case commandLine

    public var description: String {
        switch self {
        case .defaults: "defaults"
        case .file(let name, let line): "\(name):\(line)"
        case .environment(let variable): "environment variable \(variable)"
        case .commandLine: "command line"
        }
    }
}

/// Everything that is wrong with a configuration, each with its place.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// One problem and its place.
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        public let origin: Origin
        public let text: String

        public init(origin: Origin, text: String) {
            self.origin = origin
            self.text = text
        }

        /// An invalid setting, where it was set.
        public init(origin: Origin, _ error: SettingsError) {
            self.init(origin: origin, text: "\(error.key): \(error.problem)")
        }

        public var description: String { "\(origin): \(text)" }
    }

    /// All problems, in the order in which they were found.
    public let problems: [Problem]

    public init(problems: [Problem]) {
        self.problems = problems
    }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
