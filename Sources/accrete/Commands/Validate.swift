import ArgumentParser
import Foundation
import Launch
import Messaging
import Stages

/// `accrete validate`: what is wrong with a configuration, before anything is started.
struct Validate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration: unknown keys, bad values, endpoints that cannot be used.",
        discussion: """
            Examples:
              accrete validate accrete.yaml
              accrete validate accrete.yaml --set fuse.lateness=0.05 --json
              accrete validate --schema > config.schema.json    for editors
            """)

    @Argument(help: "The configuration file; without it, the defaults.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Flag(help: "Print {\"problems\": [...]} on standard output.") var json = false

    @Flag(help: "Print the JSON Schema of configuration files instead.") var schema = false

    func run() async throws {
        if schema { return print(try Settings.jsonSchema, terminator: "") }
        let environment = ProcessInfo.processInfo.environment
        var problems: [String] = []
        do {
            let reading = try Settings.read(path: config, environment: environment, overrides: overrides)
            problems = reading.unreachable(environment: environment).map(\.description)
        } catch {
            problems = error.problems.map(\.description)
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(["problems": problems]), as: UTF8.self))
        } else if problems.isEmpty {
            print("\(config ?? "the defaults"): nothing to complain about")
        } else {
            for problem in problems { print(problem) }
        }
        if !problems.isEmpty { throw ExitCode(1) }
    }
}
