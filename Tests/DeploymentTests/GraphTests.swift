import Deployment
import FilesTesting
import Foundation
import Statistics
import StrictJSON
import Testing

/// The whole graph as its users run it: real processes, real sockets.
@Suite(.serialized, .enabled(if: Graph.isOptimised, "an unoptimised graph is too slow: run deploy/test"))
struct GraphTests {
    @Test func lockstepTwiceGivesTheSameParameters() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 40)
        var reports: [RunReport] = []
        // Whole updates, twice; then fuse and evaluate apply deltas, and have the same model after each.
        for (run, coding) in ["whole", "whole", "exact"].enumerated() {
            let result = try await Graph.run(
                "up", "--session", folder.path("session"), "--mode", "lockstep", "--seed", "3", "--set", "learn.updates.coding=\(coding)",
                "--directory", folder.path("run\(run)"), "--report", folder.path("report.json"))
            #expect(result.status == 0, "\(result.output)")
            reports.append(try Graph.report(folder.path("report.json")))
        }
        let written = try JSONDecoder().decode(JSON.self, from: Data(contentsOf: URL(fileURLWithPath: folder.path("report.json"))))
        #expect(try JSONSchema(path: Graph.root + "/schemas/report.schema.json").problems(written) == [])
        #expect(Set(reports.map(\.sha256)).count == 1 && reports[0].sha256.count == 64)
        #expect(reports[0].moments == 40 && reports[0].drops.values.allSatisfy(\.isEmpty) && reports[0].setAside == 0)
        #expect(reports[1].metrics == reports[0].metrics && reports[2].metrics == reports[0].metrics)
        #expect(reports[0].metrics.model.bitsPerByte < reports[0].metrics.frozen.bitsPerByte)
    }

    /// The second run learns nothing, so that it publishes the parameters with which it started.
    @Test func startingAgainGoesOnFromTheNewestCheckpoint() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 30)
        var reports: [RunReport] = []
        for strategy in ["er", "never"] {
            let result = try await Graph.run(
                "up", "--session", folder.path("session"), "--mode", "lockstep", "--set", "learner.strategy=\(strategy)",
                "--directory", folder.path("run"), "--report", folder.path("report.json"))
            #expect(result.status == 0, "\(result.output)")
            reports.append(try Graph.report(folder.path("report.json")))
        }
        #expect(reports[1].version == 2 * reports[0].version)
        #expect(reports[1].sha256 == reports[0].sha256 && reports[0].sha256.count == 64)
        // Weights from the seed would score as the frozen baseline does.
        #expect(reports[1].metrics.model.bitsPerByte < reports[0].metrics.model.bitsPerByte)
        #expect(reports[1].metrics.frozen == reports[0].metrics.frozen && reports[1].metrics.frozen != reports[1].metrics.model)
        for name in ["config.json", "model.safetensors", "vocab.json", "merges.txt", "training.safetensors"] {
            #expect(FileManager.default.fileExists(atPath: folder.path("run/checkpoint/\(name)")), "\(name)")
        }
    }

    @Test func theCommandLineOutranksTheEnvironmentInEveryChild() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 20)
        var reports: [RunReport] = []
        for (name, environment) in [("with", ["ACCRETE_SEED": "5", "ACCRETE_LEARN__PUBLISHEVERY": "3"]), ("without", [:])] {
            let result = try await Graph.start(
                [
                    "up", "--session", folder.path("session"), "--mode", "lockstep", "--seed", "3", "--set", "learn.publishEvery=4",
                    "--directory", folder.path(name),
                ],
                environment: environment
            ).finished()
            #expect(result.status == 0, "\(result.output)")
            reports.append(try Graph.report(folder.path("\(name)/report.json")))
        }
        #expect(reports[0].seed == 3 && reports[0].sha256 == reports[1].sha256 && reports[0].version == reports[1].version)
        #expect(reports[0].metrics == reports[1].metrics)
    }

    @Test func randomLabelsAreNotPredictedBetterThanChance() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 300)
        let path = folder.path("session/session.jsonl")
        var state: UInt64 = 88_172_645_463_325_252  // xorshift64: https://doi.org/10.18637/jss.v008.i14
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init).map { line in
            line.contains("\"label\"") ? line.replacing(/"label":\s*[0-9]+/, with: "\"label\": \(random() % 8)") : line
        }
        try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        let result = try await Graph.run(
            "up", "--session", folder.path("session"), "--mode", "lockstep", "--directory", folder.path("run"), "--report",
            folder.path("report.json"))
        #expect(result.status == 0, "\(result.output)")
        let scores = try Graph.report(folder.path("report.json")).metrics.model
        // Of about 200 labels out of 8, chance gets 25 right; more than 50 would be over five deviations away.
        #expect(scores.labelled > 100 && scores.accuracy * Double(scores.labelled) < 50, "\(scores)")
    }

    @Test func brokenLinesAndMissingFilesCostOnlyThemselves() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 20)
        let path = folder.path("session/session.jsonl")
        var lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        lines.insert("{\"t\": 0.0, \"session\": ", at: 3)
        lines.insert(
            "{\"t\": 0.06, \"session\": \"table\", \"source\": \"camera\", \"modality\": \"image\", \"file\": \"image/none.png\"}", at: 4)
        lines.insert("{\"t\": 0.06, \"session\": \"table\", \"source\": \"nose\", \"modality\": \"smell\", \"text\": \"coffee\"}", at: 4)
        try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        let result = try await Graph.run(
            "up", "--session", folder.path("session"), "--mode", "lockstep", "--directory", folder.path("run"), "--report",
            folder.path("report.json"))
        #expect(result.status == 0, "\(result.output)")
        let report = try Graph.report(folder.path("report.json"))
        #expect(report.moments == 20)
        #expect(report.drops["play"] == ["brokenLine": 1, "missingFile": 1, "unknownModality": 1], "\(report.drops)")
    }

    @Test(arguments: ["ingest", "extract-image", "fuse", "learn", "evaluate"])
    func aKilledStageComesBackAndTheRunGoesOn(stage: String) async throws {
        let folder = Folder()
        let isolated = try Graph.isolated(folder)
        let running = try Graph.start(
            [
                "up", "--directory", folder.path("run"), "--report", folder.path("report.json"),
                "--set", "simulate.moments=160", "--set", "simulate.rate=20",
            ] + isolated)
        let process = try await Graph.process(of: stage, in: folder.path("run"))
        kill(process, SIGKILL)
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        let report = try Graph.report(folder.path("report.json"))
        #expect(report.restarts == [stage: 1])
        #expect(report.moments > 80, "\(report.moments) moments")
        #expect(try Graph.processes(in: folder.path("run")).isEmpty)
    }

    @Test func anInterruptLeavesNoOrphan() async throws {
        let folder = Folder()
        let running = try Graph.start(["up", "--outside", "--directory", folder.path("run")] + Graph.isolated(folder))
        _ = try await Graph.process(of: "evaluate", in: folder.path("run"))
        running.process.interrupt()
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(try Graph.processes(in: folder.path("run")).isEmpty)
    }

    /// Waits with a limit that suffices on a busy machine; if it is exceeded, the expectations that follow fail.
    private func wait(until isSo: () throws -> Bool) async throws {
        for _ in 0..<1200 {
            if try isSo() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// A graph of the given publisher, while it publishes.
    private func running(_ publisher: String, _ folder: Folder, _ more: String...) async throws -> Graph.Running {
        var arguments = ["up", "--directory", folder.path("run")] + more
        if publisher == "play" {
            try await Graph.writeSession(to: folder.path("session"), moments: 2000)
            arguments += ["--session", folder.path("session")]
        }
        let running = try Graph.start(arguments + Graph.isolated(folder))
        try await wait { try Graph.processes(in: folder.path("run"))[publisher] != nil }
        #expect(try Graph.processes(in: folder.path("run")).count == 9)
        return running
    }

    @Test(arguments: ["play", "simulate"])
    func noProcessOutlivesItsSupervisor(publisher: String) async throws {
        let folder = Folder()
        let running = try await running(publisher, folder)
        // A stopped process (SIGSTOP) cannot end itself.
        kill(try #require(Graph.processes(in: folder.path("run"))["evaluate"]), SIGSTOP)
        kill(running.process.processIdentifier, SIGKILL)
        _ = await running.finished()
        try await wait { try Graph.processes(in: folder.path("run")).isEmpty }
        #expect(try Graph.processes(in: folder.path("run")) == [:])
    }

    @Test func afterAKillTheNextRunInTheSameDirectoryWaitsForTheOldProcesses() async throws {
        let folder = Folder()
        let first = try await running("simulate", folder)
        kill(first.process.processIdentifier, SIGKILL)
        let again = try await Graph.start(
            ["up", "--directory", folder.path("run"), "--set", "simulate.moments=40"] + Graph.isolated(folder)
        ).finished()
        #expect(again.status == 0, "\(again.output)")
        _ = await first.finished()
    }

    @Test(arguments: ["fuse", "simulate"])
    func aStageThatHangsIsKilledAndComesBack(stage: String) async throws {
        let folder = Folder()
        let running = try await running(
            "simulate", folder, "--set", "simulate.moments=300", "--set", "simulate.rate=30", "--set", "supervise.silence=3")
        kill(try #require(Graph.processes(in: folder.path("run"))[stage]), SIGSTOP)
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(
            result.output.contains("\(stage) failed (sent no status for ") && result.output.contains("\(stage) was restarted"),
            "\(result.output)")
        #expect(try Graph.report(folder.path("run/report.json")).restarts == [stage: 1])
    }

    @Test func aSecondRunIsRefusedAndTheFirstUntouched() async throws {
        let folder = Folder()
        let first = try await running("simulate", folder, "--set", "simulate.moments=0")
        let settings = try String(contentsOfFile: folder.path("run/settings.yaml"), encoding: .utf8)
        let number = first.process.processIdentifier
        // The same directory; on endpoints of its own; another directory with the same checkpoint; the learner alone.
        let same = try await Graph.run("up", "--directory", folder.path("run"), "--set", "model.width=128")
        #expect(
            same.status != 0 && same.output.contains("\(folder.path("run")) cannot be written: another process (\(number)) is using it"),
            "\(same.output)")
        let other = Folder()
        let elsewhere = try await Graph.start(
            ["up", "--directory", other.path("run"), "--set", "learn.directory=\(folder.path("run/checkpoint"))"] + Graph.isolated(other)
        ).finished()
        #expect(
            elsewhere.status != 0 && elsewhere.output.contains("\(folder.path("run/checkpoint")) cannot be written: another process"),
            "\(elsewhere.output)")
        let alone = try await Graph.start(
            ["--set", "learn.directory=\(folder.path("run/checkpoint"))"] + Graph.isolated(other),
            executable: Graph.executables + "/accrete-learn"
        ).finished()
        #expect(alone.status == 78 && alone.output.contains("another process"), "\(alone.output)")
        #expect(try String(contentsOfFile: folder.path("run/settings.yaml"), encoding: .utf8) == settings)
        #expect(first.process.isRunning)
        first.process.interrupt()
        _ = await first.finished()
    }

    @Test func whereTheReportGoesIsToldBeforeTheRunAndKeptAsItIs() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 12)
        let up = "accrete up --session \(folder.path("session")) --mode lockstep"
        for path in ["/nonexistent/report.json", folder.path] {
            for option in ["--report", "--plot"] {
                let refused = try await Graph.shell("\(up) --directory \(folder.path("none")) \(option) \(path)")
                #expect(
                    refused.status != 0 && refused.output.contains(path) && !refused.output.contains("stages have started"),
                    "\(refused.output)")
            }
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("none")))
        let file = try await Graph.shell(
            "touch \(folder.path("file")); \(up) --directory \(folder.path("none")) --set learn.directory=\(folder.path("file"))")
        #expect(file.status != 0 && file.output.contains("learn.directory: \(folder.path("file")) is no directory"), "\(file.output)")
        let kept = try await Graph.shell(
            """
            cd \(folder.path); ln -s target.json link.json; mkfifo pipe
            cat pipe > plot.svg & \(up) --directory run --report link.json --plot pipe >/dev/null
            echo rc $?; wait; stat -c %F link.json pipe; head -c 4 plot.svg; rm -rf run
            \(up) --directory run --report run/own.json >/dev/null; echo rc $?; ls run/own.json
            """)
        #expect(kept.output == "rc 0\nsymbolic link\nfifo\n<svgrc 0\nrun/own.json\n", "\(kept.output)")
        #expect(try Graph.report(folder.path("target.json")).moments == 12)
    }

    @Test func outputThatCannotBeWrittenStopsNothing() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 12)
        let up = "rm -rf run; accrete up --session session --mode lockstep --directory run"
        let ended = try await Graph.shell(
            """
            cd \(folder.path); exec 2>/dev/null
            \(up) >/dev/full; echo full $? $(ls run/report.json); \(up) >&-; echo closed $? $(ls run/report.json)
            \(up) <&- >&- 2>&-; echo all $? $(ls run/report.json); \(up) | true; echo pipe ${PIPESTATUS[0]} $(ls run/report.json)
            \(up) --json >/dev/full; echo json full $?; \(up) --json >&-; echo json closed $?
            \(up) --json 2>/dev/full | tail -c 2; echo json ${PIPESTATUS[0]}
            """)
        #expect(
            ended.output
                == "full 1 run/report.json\nclosed 1 run/report.json\nall 1 run/report.json\npipe 1 run/report.json\n"
                + "json full 1\njson closed 1\n}\njson 0\n",
            "\(ended.output)")
    }

    @Test func aRunThatLearnedNothingDoesNotEndWithZero() async throws {
        let folder = Folder()
        try await Graph.writeSession(to: folder.path("session"), moments: 12)
        let result = try await Graph.run(
            "up", "--session", folder.path("session"), "--mode", "lockstep", "--directory", folder.path("run"),
            "--set", "learner.optimizer=sgd", "--set", "learner.optimizerSettings={learning_rate: 1000}")
        let report = try Graph.report(folder.path("run/report.json"))
        #expect((result.status == 0) == (report.nothingLearned == nil), "\(result.output)")
        let silent = Folder()
        let lines = (0..<20).map {
            "{\"t\": \(Double($0) / 10), \"session\": \"a\", \"source\": \"imu\", \"modality\": \"vector\", \"values\": [0.1], "
                + "\"ends\": true}"
        }
        try FileManager.default.createDirectory(atPath: silent.path("session"), withIntermediateDirectories: true)
        try lines.joined(separator: "\n").write(toFile: silent.path("session/session.jsonl"), atomically: true, encoding: .utf8)
        let nothing = try await Graph.run(
            "up", "--session", silent.path("session"), "--mode", "lockstep", "--directory", silent.path("run"))
        let why = try #require(Graph.report(silent.path("run/report.json")).nothingLearned)
        #expect(nothing.status != 0 && why.came >= 20 && nothing.output.contains("nothing was learned: \(why.why)"), "\(nothing.output)")
    }

    @Test func anOperatorIsToldWhatBecameOfAnOrder() async throws {
        let folder = Folder(), own = try Graph.isolated(folder) + ["--set", "endpoints.orders=[local:orders]"]
        func order(_ arguments: String...) async throws -> Graph.Result {
            try await Graph.start(["order", "--seconds", "20"] + arguments + own).finished()
        }
        let nobody = try await Graph.start(["order", "--seconds", "0.2", "--rate", "0.5"] + own).finished()
        #expect(nobody.status == 1 && nobody.output.contains("no learner has subscribed within 0.2 s"), "\(nobody.output)")
        let running = try Graph.start(["up", "--directory", folder.path("run"), "--set", "simulate.moments=0"] + own)
        _ = try await Graph.process(of: "learn", in: folder.path("run"))
        let halved = try await order("--rate", "0.5"), refused = try await order("--roll-back")
        #expect(halved.status == 0 && halved.output.contains("rate at 0.5 of its rule's; after moment "), "\(halved.output)")
        #expect(refused.status == 1 && refused.output.contains("refused: setting 'roll_back': there is no gate"), "\(refused.output)")
        let unknown = try await order("--optimizer", "magic", "--json")
        #expect(unknown.status == 1 && unknown.output.contains("\"reason\":\"setting 'optimizer': there is no 'magic'"))
        running.process.interrupt()
        _ = await running.finished()
    }

    @Test func whatCannotStartSaysWhyInOneSentence() async throws {
        let nowhere = try await Graph.run("up", "--session", "/nonexistent/session")
        #expect(nowhere.status != 0 && nowhere.output.contains("/nonexistent/session"))
        let unknown = try await Graph.run("up", "--set", "model.fusion=middle")
        #expect(unknown.status != 0 && unknown.output.contains("model.fusion") && unknown.output.contains("co-attention"))
    }

    @Test(.enabled(if: Graph.triesClients, "the examples' Python packages are absent: run deploy/bootstrap"))
    func outsidersPublishAndSubscribe() async throws {
        let folder = Folder()
        let sensors = "ipc://\(folder.path("sensors"))", updates = "ipc://\(folder.path("updates"))"
        let running = try Graph.start(
            ["up", "--outside", "--directory", folder.path("run"), "--report", folder.path("report.json")]
                + Graph.isolated(folder, also: ["sensors": sensors, "learn": updates]))
        _ = try await Graph.process(of: "ingest", in: folder.path("run"))
        async let subscriber = Graph.python("subscribe.py", updates, "2")
        let publisher = try await Graph.python("publish.py", sensors)
        #expect(publisher.status == 0, "\(publisher.output)")
        let heard = try await subscriber
        #expect(heard.status == 0, "\(heard.output)")  // which of the first versions it still hears depends on when it joined
        #expect(heard.output.contains("version 1 from 0"), "the update that learned from the published words: \(heard.output)")
        try await Task.sleep(for: .seconds(3))  // so that the evaluator, too, has dealt with what was published before it is told to stop
        running.process.interrupt()
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(try Graph.report(folder.path("report.json")).moments == 5)
    }

    /// Pictures asked for their labels: each is predicted under the id that its sender expects, and every label finds its moment.
    @Test(.enabled(if: Graph.triesClients, "the examples' Python packages are absent: run deploy/bootstrap"))
    func aCameraIsPredictedAndLearned() async throws {
        let folder = Folder()
        let sensors = "ipc://\(folder.path("sensors"))", predictions = "ipc://\(folder.path("predictions"))"
        let running = try Graph.start(
            ["up", "--outside", "--directory", folder.path("run"), "--report", folder.path("report.json")]
                + Graph.isolated(folder, also: ["sensors": sensors, "fuse": predictions]))
        _ = try await Graph.process(of: "fuse", in: folder.path("run"))
        let camera = try await Graph.python(
            "send_camera.py", "--pictures", "50", "--rate", "20", "--sensors", sensors, "--fuse", predictions)
        #expect(camera.status == 0 && camera.output.contains("50 pictures: "), "\(camera.output)")
        let predicted = try #require(camera.output.firstMatch(of: /pictures: ([0-9]+) predicted/).flatMap { Int($0.1) })
        #expect(predicted >= 45, "all but the first, sent while fuse was getting to know of the subscription: \(camera.output)")
        try await Task.sleep(for: .seconds(3))  // so that the evaluator, too, has dealt with what was published before it is told to stop
        running.process.interrupt()
        let result = await running.finished()
        let report = try Graph.report(folder.path("report.json"))
        #expect(result.status == 0 && report.moments == 50, "\(result.output)")
        #expect(report.drops.values.allSatisfy { $0.isEmpty }, "\(report.drops)")
        #expect(report.metrics.model.labelled >= 48, "the newest label may still be on its way: \(report.metrics.model.labelled)")
    }

    @Test func anExampleReplaysARecordingToTheSameModel() async throws {
        let replayed = try await Graph.start(
            ["\(Graph.root)/deploy/examples/replay_recording", "20"], executable: "/bin/bash",
            environment: ["ACCRETE_BIN": Graph.executables]
        ).finished()
        #expect(replayed.status == 0 && replayed.output.hasSuffix("equal streams give equal models\n"), "\(replayed.output)")
    }

    /// The real Gymnasium outside, two copies at once: every step is decided on and every reward finds its decision.
    @Test(.enabled(if: Graph.triesGymnasium, "Gymnasium is absent: run deploy/bootstrap"))
    func aGymnasiumEnvironmentIsPlayedAndLearnedFrom() async throws {
        let folder = Folder()
        let sensors = "ipc://\(folder.path("sensors"))", actions = "ipc://\(folder.path("actions"))"
        let running = try Graph.start(
            [
                "up", "--outside", "--directory", folder.path("run"), "--report", folder.path("report.json"), "--set", "decide.policy=ppo",
                "--set", "decide.choices=2",
                "--set", "decide.inputs=4", "--set", "decide.alone=true", "--set", "decide.settings={batch: 64, minibatch: 32}",
            ]
                + Graph.isolated(folder, also: ["sensors": sensors, "fuse": actions]))
        _ = try await Graph.process(of: "fuse", in: folder.path("run"))
        let played = try await Graph.python(
            "gymnasium_bridge.py", "CartPole-v1", "--episodes", "12", "--copies", "2", "--sensors", sensors, "--fuse", actions, "--json")
        #expect(played.status == 0, "\(played.output)")
        struct Episode: Decodable {
            let episode, length, steps: Int
            let `return`: Double
        }
        // counted below
        let episodes = played.output.split(separator: "\n").compactMap { try? JSONDecoder().decode(Episode.self, from: Data($0.utf8)) }
        #expect(episodes.map(\.episode) == Array(1...12) && episodes.allSatisfy { $0.return == Double($0.length) }, "\(played.output)")
        try await Task.sleep(for: .seconds(2))  // a status a second tells how decisions go
        running.process.interrupt()
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("decisions:") && !result.output.contains("bits per byte   labels"), "\(result.output)")
        let learn = try #require(Graph.report(folder.path("report.json")).noted["learn"]), steps = Double(try #require(episodes.last).steps)
        #expect(
            learn["decisionsUntold"] == nil && steps - learn["decisionsTold", default: 0] <= 4 && learn["policyVersion", default: 0] >= 1,
            "\(learn)")
    }

    /// Somebody asks, is answered wrongly, corrects once, and is answered rightly in another session, in other words too; what was not
    /// corrected is answered as before.
    @Test(
        .enabled(if: Graph.triesClients && ModelFile.isWanted(ModelFile.smolLM2), "the examples' Python packages or the model are absent"))
    func aCorrectionIsKnownInAnotherSession() async throws {
        let folder = Folder()
        let sensors = "ipc://\(folder.path("sensors"))", fuse = "ipc://\(folder.path("answers"))", learn = "ipc://\(folder.path("updates"))"
        let running = try Graph.start(
            [
                "up", "--outside", "--directory", folder.path("run"), "--report", folder.path("report.json"), "--set",
                "model.trunk=\(ModelFile.smolLM2)", "--set", "answer.after=[utterance]",
            ] + Graph.isolated(folder, also: ["sensors": sensors, "fuse": fuse, "learn": learn]))
        for stage in ["extract-text", "fuse", "learn"] { _ = try await Graph.process(of: stage, in: folder.path("run")) }
        struct Asked: Decodable {
            let answer: String
            let answerAgain: String?
        }
        func ask(_ question: String, _ more: String...) async throws -> Asked {
            let arguments = [question, "--json", "--patience", "300", "--sensors", sensors, "--fuse", fuse, "--learn", learn] + more
            let result = try await Graph.python("ask.py", arguments)
            guard result.status == 0, let last = result.output.split(separator: "\n").last else {
                throw Graph.Failure(description: result.output)
            }
            return try JSONDecoder().decode(Asked.self, from: Data(last.utf8))
        }
        let taught = try await ask(
            "What is the name of the ship in the museum of Holm?", "--correct", "The ship is called Merrow.", "--again",
            "Tell me what the ship in Holm's museum is called.")
        #expect(!taught.answer.contains("Merrow") && taught.answerAgain?.contains("Merrow") == true, "\(taught)")
        let other = try await ask("What is the capital of Norway?")
        #expect(other.answer.contains("Oslo"), "\(other)")
        running.process.interrupt()
        let result = await running.finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(try Graph.report(folder.path("report.json")).drops.values.allSatisfy { $0.isEmpty })
    }

    /// Answers in words are rewarded by somebody outside.
    @Test(.enabled(if: Graph.triesClients, "the examples' Python packages are absent: run deploy/bootstrap"))
    func answersAreRewardedByAnOutsideClient() async throws {
        let folder = Folder()
        let sensors = "ipc://\(folder.path("sensors"))", actions = "ipc://\(folder.path("actions"))"
        let running = try Graph.start(
            [
                "up", "--mode", "live", "--directory", folder.path("run"), "--report", folder.path("report.json"), "--set",
                "simulate.moments=0",
                "--set", "answer.after=[utterance, label]", "--set", "answer.temperature=1", "--set", "answer.maximumTokens=8", "--set",
                "decide.policy=ppo",
                "--set", "decide.text=true", "--set", "decide.settings={texts: 8}",
            ]
                + Graph.isolated(folder, also: ["sensors": sensors, "fuse": actions]))
        let rewarded = try await Graph.python(
            "reward.py", "--answers", "48", "--every", "16", "--sensors", sensors, "--fuse", actions, "--json")
        #expect(rewarded.status == 0 && rewarded.output.split(separator: "\n").count == 3, "\(rewarded.output)")
        // Every reward is published by now, and some are still on their way.
        let learn = try await Graph.gauges(of: "learn", in: folder.path("run")) {
            $0["decisionsTold", default: 0] >= 47 && $0["policyVersion", default: 0] >= 5
        }
        running.process.interrupt()
        let result = await running.finished()
        #expect(result.output.contains("decisions:"), "\(result.output)")
        #expect(learn["decisionsTold", default: 0] >= 47 && learn["policyVersion", default: 0] >= 5, "\(learn)")
    }
}
