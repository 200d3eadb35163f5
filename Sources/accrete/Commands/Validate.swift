import ArgumentParser
import Configuration
import Foundation
import Launch
import Messaging

/// `accrete validate`: checks a configuration without starting anything.
struct Validate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration for unknown keys, invalid values, and unusable endpoints and files; estimate its memory.",
        discussion: """
            Examples:
              accrete validate accrete.yaml
              accrete validate accrete.yaml --set fuse.lateness=0.05 --json
              accrete validate --schema > config.schema.json    for editors
            """)

    @Argument(help: "The configuration file; without it, all settings have their defaults.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Flag(
        help:
            "Print {\"problems\": [...], \"memory\": {...}} on standard output; memory in bytes by process, if the settings are valid."
    ) var json = false

    @Flag(help: "Print the JSON Schema of configuration files instead.") var schema = false

    @Flag(help: "Print every setting with its default, as YAML.") var defaults = false

    /// What `--json` prints.
    private struct Verdict: Encodable {
        var problems: [String] = []
        var memory: GraphMemory?
    }

    func run() async throws {
        if defaults { return print(try GraphSettings.defaults, terminator: "") }
        if schema { return print(try GraphSettings.jsonSchema, terminator: "") }
        let environment = ProcessInfo.processInfo.environment
        var verdict = Verdict()
        do {
            let reading = try GraphSettings.read(path: config, environment: environment, overrides: overrides)
            verdict.problems = (reading.unreachable(environment: environment) + reading.lacking()).map(\.description)
            verdict.memory = GraphMemory(reading.settings)
        } catch {
            verdict.problems = error.problems.map(\.description)
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(verdict), as: UTF8.self))
        } else if verdict.problems.isEmpty {
            print("\(config ?? "the defaults"): no problems found")
            if let memory = verdict.memory { print("memory: about \(memory.sentence)") }
        } else {
            for problem in verdict.problems { print(problem) }
        }
        if !verdict.problems.isEmpty { throw ExitCode(1) }
    }
}
