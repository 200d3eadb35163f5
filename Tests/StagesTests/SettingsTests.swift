import FilesTesting
import Foundation
import Pipeline
import Testing
@testable import Configuration
import Wiring

struct SettingsTests {
    private let folder = Folder()

    private func problems(_ yaml: String, environment: [String: String] = [:], overrides: [String] = []) throws -> [String] {
        let path = folder.path("settings.yaml")
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        do {
            _ = try GraphSettings.read(path: path, environment: environment, overrides: overrides)
            return []
        } catch {
            return error.problems.map { $0.description.replacingOccurrences(of: path, with: "file") }
        }
    }

    @Test func theDefaultsAreValid() {
        #expect(GraphSettings().problems.isEmpty)
    }

    @Test func settingsSurviveBeingWrittenAndRead() throws {
        var settings = GraphSettings()
        settings.model.fusion = "late"
        settings.fuse.lateness = 0.25
        let path = folder.path("settings.yaml")
        try settings.yaml.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try GraphSettings.read(path: path, environment: [:], overrides: []).settings == settings)
    }

    @Test func everyProblemIsReportedWithItsLine() throws {
        let found = try problems(
            """
            mode: lockstep
            fuse:
              latenes: 0.1
              maximumFrames: many
            evaluate:
              window: 0
            """)
        #expect(
            found == [
                "file:3: unknown key fuse.latenes; did you mean fuse.lateness?",
                "file:4: fuse.maximumFrames wants a whole number, not 'many'",
            ])
        #expect(try problems("evaluate:\n  window: 0\n") == ["file:2: evaluate.window: 0 is not within 1…1000000"])
        // Also where a section's own keys are written in another way.
        #expect(
            try problems("personal:\n  enabled: true\n  innerRate: -1\n")
                == ["file:3: personal.innerRate: -1.0 is not positive and at most 1000"])
        #expect(try problems("learner:\n  memoryBytes: -1\n") == ["file:2: learner.memoryBytes: -1 is below 0 or too large"])
        let rate = try problems("learner:\n  optimizerSettings: {learning_rate: -1}\n")
        #expect(rate.count == 1 && rate[0].contains(": learner: setting 'learning_rate': "), "\(rate)")
        #expect(try problems("a: [1").first?.hasPrefix("file:") == true)
    }

    @Test func theCommandLineWinsOverTheEnvironmentAndThatOverTheFile() throws {
        let environment = ["ACCRETE_SEED__": "x", "ACCRETE_FUSE__LATENESS": "0.5"]
        let read = try GraphSettings.read(
            path: nil, environment: ["ACCRETE_FUSE__LATENESS": "0.5", "ACCRETE_EVALUATE__WINDOW": "9"], overrides: ["fuse.lateness=0.75"])
        #expect(read.settings.fuse.lateness == 0.75 && read.settings.evaluate.window == 9)
        #expect(read.origin(of: "fuse.lateness") == .commandLine && read.origin(of: "fuse.maximumFrames") == .defaults)
        #expect(try problems("", environment: environment) == ["environment variable ACCRETE_SEED__: ACCRETE_SEED__ names no setting"])
        #expect(try problems("", overrides: ["fuse.lateness"]) == ["command line: --set wants key=value, not 'fuse.lateness'"])
        #expect(try problems("", overrides: ["fuse.lateness=soon"]) == ["command line: fuse.lateness wants a number, not 'soon'"])
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func theCommentedFileHoldsEveryKeyWithItsDefault() throws {
        let path = Self.root + "/deploy/accrete.yaml"
        let reading = try GraphSettings.read(path: path, environment: [:], overrides: [])
        #expect(reading.settings == GraphSettings())
        let missing = GraphSettings().table.keys.filter { reading.origin(of: $0) == .defaults }
        #expect(missing.isEmpty, "\(missing.sorted())")
    }

    @Test func theSchemaForEditorsIsUpToDate() throws {
        #expect(
            try GraphSettings.defaults == defaultConfiguration,
            "put what `accrete validate --defaults` prints into Sources/Wiring/DefaultConfiguration.swift")
        let committed = try String(contentsOfFile: Self.root + "/schemas/config.schema.json", encoding: .utf8)
        #expect(try GraphSettings.jsonSchema == committed, "run: accrete validate --schema > schemas/config.schema.json")
    }

    @Test func everyFusionCanBeChosenByName() throws {
        for name in ["early", "late", "attention", "co-attention"] {
            #expect(try GraphSettings.read(path: nil, environment: [:], overrides: ["model.fusion=\(name)"]).settings.model.fusion == name)
        }
        #expect(throws: ConfigurationError.self) { try GraphSettings.read(path: nil, environment: [:], overrides: ["model.fusion=middle"]) }
    }
}
