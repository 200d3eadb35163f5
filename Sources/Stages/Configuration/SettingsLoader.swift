import Foundation
import Pipeline
import Yams

extension Settings {
    /// Reads the settings from a file, the environment and the command line, and checks that they make sense.
    /// - Parameter path: a YAML file; nil for the defaults.
    /// - Throws: `ConfigurationError` with every problem and its place.
    public static func read(
        path: String?, environment: [String: String], overrides: [String]
    ) throws(ConfigurationError) -> ConfigurationReader<Settings>.Reading {
        var file: (name: String, text: String)?
        if let path {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ConfigurationError(problems: [.init(origin: .file(path, line: 1), text: "cannot be read")])
            }
            guard data.count <= maximumFileSize, let text = String(data: data, encoding: .utf8) else {
                throw ConfigurationError(problems: [
                    .init(origin: .file(path, line: 1), text: "is not UTF-8 text of at most \(maximumFileSize) bytes")
                ])
            }
            file = (path, text)
        }
        var reading = try ConfigurationReader(defaults: Settings()).read(file: file, environment: environment, overrides: overrides)
        let given = reading
        // What cannot be followed is among the problems.
        try? reading.settings.followGPT2 { given.origin(of: $0) != .defaults }
        let problems = reading.settings.problems.map { key, text in
            // What does not go together is told where somebody set a part of it.
            let places = [key] + related(to: key)
            return ConfigurationError.Problem(
                origin: places.lazy.map { reading.origin(of: $0) }.first { $0 != .defaults } ?? .defaults, text: "\(key): \(text)")
        }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        return reading
    }

    /// Other keys that a problem may be due to.
    private static func related(to key: String) -> [String] {
        switch key {
        case "model.senses": ["signals.image", "signals.audio", "signals.vector", "fuse.sentence"]
        case "supervise.memoryLimit", "messaging.frameBytes":
            ["model", "learner", "learn", "personal", "decide", "evaluate", "fuse", "signals"]
        case _ where key.hasPrefix("endpoints."): ["endpoints", "model.senses"]
        case _ where key.hasPrefix("personal."): ["model"]
        case "fuse.maximumPending": ["lockstep.window", "mode"]
        case "learner.trunk", "decide.observation", "learn.triggers", "fuse.alignment": ["model"]
        default: []
        }
    }

    /// A configuration file is never larger than this, in bytes.
    static let maximumFileSize = 1 << 20

    /// `schemas/config.schema.json`.
    public static var jsonSchema: String {
        get throws { try ConfigurationReader(defaults: Settings()).jsonSchema(title: "Accrete's configuration") }
    }

    /// Every key and its value, dotted.
    public var table: [String: String] {
        let keys = (try? ConfigurationReader(defaults: self).keys()) ?? []  // encoding a plain value does not fail
        return Dictionary(keys.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
