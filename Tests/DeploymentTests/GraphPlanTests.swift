import Configuration
import Files
import FilesTesting
import Foundation
import Pipeline
import Testing
@testable import Deployment
import Wiring

struct GraphPlanTests {
    private let folder = Folder()

    private func plan(_ overrides: [String], environment: [String: String] = [:], source: GraphPlan.Source = .outside) throws -> GraphPlan {
        try GraphPlan.make(source, config: nil, overrides: overrides, directory: folder.path("run"), environment: environment)
    }

    @Test func theCommandLineOutranksTheEnvironmentAndThatTheFile() throws {
        try replaceFile(at: folder.path("file.yaml"), with: "seed: 2\nfuse:\n  lateness: 0.2\nplay:\n  speed: 2\n")
        let plan = try GraphPlan.make(
            .outside, config: folder.path("file.yaml"), overrides: ["seed=4"], directory: folder.path("run"),
            environment: ["ACCRETE_SEED": "3", "ACCRETE_FUSE__LATENESS": "0.3"])
        #expect(plan.settings.seed == 4 && plan.settings.fuse.lateness == 0.3 && plan.settings.play.speed == 2)
    }

    @Test func anExtractorOfTheUsersIsNotStarted() throws {
        let own = try plan(["signals.image.frontend=outside", "model.senses=[{name: image, rows: 40, columns: 96}]"])
        #expect(own.stages.map(\.name) == ["learn", "evaluate", "fuse", "extract-text", "ingest"], "its shape is the user's affair")
        #expect(
            try own.settings.stageNames == own.stages.map(\.name).sorted()
                && plan([]).settings.stageNames == plan([]).stages.map(\.name).sorted())
        let sense = "model.senses=[{name: image, rows: 16, columns: 192}]"
        #expect(try plan([sense]).stages.map(\.name).contains("extract-image"))
    }

    @Test(arguments: [
        "yes", "~", "null", "0x10", "1e3", "012", "1:30", " a ", "a: b", "# a", "- a", "'", "\"", "\\", "a\\nb", "ä é 漢", "@", "%",
        "{a}", "[a]", "!a", "&a", "*a", "|", "=", "<<", "2026-11-29",
    ])
    func childrenReadBackEveryText(text: String) throws {
        var plan = try plan([])
        plan.settings.learn.run = text
        plan.settings.learn.directory = folder.path("x/\(text)")
        plan.settings.endpoints.runtime = text
        plan.settings.endpoints.fuse = ["ipc:///\(text)", "local:a"]
        plan.settings.answer.after = [text]
        try readBack(plan)
    }

    @Test(
        arguments: [0.1, 1.0 / 3, 1e-7, 1e-300, 123_456_789.123_456_78, 0.30000000000000004, 1e22, Double.leastNonzeroMagnitude] as [Double]
    )
    func childrenReadBackEveryNumber(number: Double) throws {
        var plan = try plan([])
        plan.settings.fuse.lateness = number
        plan.settings.play.speed = number
        plan.settings.learner.optimizerSettings = [
            "learning_rate": .number(number), "text": "1e3", "flag": true, "none": .null, "list": [1, 2.5, "x"],
        ]
        try readBack(plan)
    }

    /// As the children do, but without the bounds: those were checked when the parent read its settings.
    private func readBack(_ plan: GraphPlan) throws {
        let text = try plan.settings.yaml
        let read = try ConfigurationReader(defaults: GraphSettings()).read(file: ("settings.yaml", text)).settings
        #expect(read == plan.settings, "\(text)")
    }

    @Test func aReplayUsesPrivateSocketsUnlessEndpointsAreConfigured() throws {
        try makeDirectory(at: folder.path("session"))
        try replaceFile(at: folder.path("session/session.jsonl"), with: "{\"t\": 1, \"session\": \"a\", \"cut\": true}\n")
        let source = GraphPlan.Source.session(folder.path("session"))
        #expect(try plan([], source: source).settings.endpoints == .isolated(process: getpid()))
        let configured = try plan(["endpoints.fuse=[local:fuse, tcp://127.0.0.1:9000]"], source: source).settings.endpoints
        #expect(configured.fuse == ["local:fuse", "tcp://127.0.0.1:9000"] && configured.sensors == Endpoints().sensors)
        let byVariable = try plan([], environment: ["ACCRETE_ENDPOINTS__FUSE": "[local:other]"], source: source).settings.endpoints
        #expect(byVariable.fuse == ["local:other"])
    }

    @Test func anUnfinishedRunIsContinuedAndOtherContentsOfItsFileAreIgnored() throws {
        try makeDirectory(at: folder.path("run"))
        let first = try plan([])
        try first.begin()
        #expect(try plan([]).settings.learn.run == first.settings.learn.run)
        for text in ["", "x", String(repeating: "a", count: 1000)] {
            try replaceFile(at: folder.path("run/unfinished"), with: text)
            #expect(try UUID(uuidString: plan([]).settings.learn.run) != nil)
        }
        unlink(folder.path("run/unfinished"))
        mkfifo(folder.path("run/unfinished"), 0o600)
        #expect(try UUID(uuidString: plan([]).settings.learn.run) != nil)
    }
}
