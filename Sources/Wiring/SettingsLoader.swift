import Foundation
import Pipeline

extension StageSettings {
    /// Reads the settings from a file, the environment and the command line, and validates them.
    /// - Parameters:
    ///   - path: a YAML file; nil for the defaults.
    ///   - overrides: `key=value`, as given to `--set`.
    /// - Throws: `ConfigurationError` with every problem and its place.
    public static func read(
        path: String?, environment: [String: String], overrides: [String]
    ) throws(ConfigurationError) -> ConfigurationReader<Self>.Reading {
        var file: (name: String, text: String)?
        if let path {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ConfigurationError(problems: [.init(origin: .file(path, line: 1), text: "cannot be read")])
            }
            guard data.count <= maximumConfigurationSize, let text = String(data: data, encoding: .utf8) else {
                throw ConfigurationError(problems: [
                    .init(origin: .file(path, line: 1), text: "is not UTF-8 text of at most \(maximumConfigurationSize) bytes")
                ])
            }
            file = (path, text)
        }
        let reader = ConfigurationReader(defaults: Self(), whole: Self.whole)
        var reading = try reader.read(file: file, environment: environment, overrides: overrides)
        let given = reading
        reading.settings.complete { given.origin(of: $0) != .defaults }
        let problems = reading.settings.problems.map { problem in
            // A conflict between settings is reported where one of them was set.
            let places = [problem.key] + Self.related(to: problem.key)
            return ConfigurationError.Problem(
                origin: places.lazy.map { reading.origin(of: $0) }.first { $0 != .defaults } ?? .defaults, problem)
        }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        return reading
    }
}

/// The greatest size of a configuration file, in bytes.
public let maximumConfigurationSize = 1 << 20
