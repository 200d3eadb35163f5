import Files
import FilesTesting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Safetensors
import Schema
import Testing
@testable import Configuration
@testable import Learn

/// The learner as a stage: late labels, moments that are not learned, published updates, and continuing after a kill.
struct LearnProcessorTests {
    private let folder = Folder()

    private func settings(in directory: String = "") -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows) = (1, 1)
        settings.mode = .lockstep
        settings.evaluate.holdOut = 0
        (settings.learn.publishEvery, settings.learn.labelPatience, settings.learn.checkpointEvery) = (4, 3, 4)
        (settings.learn.directory, settings.learn.stream, settings.learn.run) = (directory, "one", "first")
        return settings
    }

    private func harness(_ settings: GraphSettings) throws -> Harness<LearnProcessor> {
        Harness(try LearnProcessor(settings, clock: VirtualClock()))
    }

    private func input(_ event: MomentEvent) throws -> LearnProcessor.Input {
        var payload: [Payload] = []
        if case .moment? = event.event { payload = [Payload([104, 105] as [Float])] }
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: payload))
    }

    private func moment(_ ordinal: UInt64) throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: ordinal)
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                    $0.kind = .labelRequest
                    $0.senses = [
                        .with {
                            $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                        }
                    ]
                }
            })
    }

    private func label(_ label: UInt32, of ordinal: UInt64) throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: 1000 + ordinal)
                $0.feedback = .with { ($0.session, $0.moment, $0.label, $0.classes) = ("a", "a/\(ordinal)", label, 4) }
            })
    }

    private func end() throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: 9999); $0.end = .init()
            })
    }

    private func updates(_ outputs: [Outgoing]) -> [ModelUpdate] { outputs.compactMap { $0.message as? ModelUpdate } }

    /// A stream of moments whose labels come two moments later, and its end.
    private func stream(_ moments: UInt64) throws -> [LearnProcessor.Input] {
        var inputs: [LearnProcessor.Input] = []
        for ordinal in 1...moments {
            inputs.append(try moment(ordinal))
            if ordinal > 2 { inputs.append(try label(UInt32(ordinal % 4), of: ordinal - 2)) }
        }
        return inputs + [try end()]
    }

    @Test func aLabelWithinTheWindowIsLearnedWithItsMomentAndALaterOneIsCounted() throws {
        var learner = try harness(settings())
        for ordinal in 1...3 as ClosedRange<UInt64> { _ = learner.send(try moment(ordinal)) }
        _ = learner.send(try label(1, of: 2))
        #expect(learner.refusals.isEmpty)
        for ordinal in 4...6 as ClosedRange<UInt64> { _ = learner.send(try moment(ordinal)) }  // the window of the first is over
        #expect(learner.processor.telemetry.drops[.labelNeverCame] == 1)
        _ = learner.send(try label(1, of: 1))
        #expect(learner.refusals.map(\.reason) == [.labelTooLate])
        _ = learner.send(try label(1, of: 77))
        #expect(learner.refusals.map(\.reason) == [.labelTooLate, .orphanLabel])
        _ = learner.send(try label(9, of: 3))
        #expect(learner.refusals.map(\.reason) == [.labelTooLate, .orphanLabel, .labelOutOfRange])
    }

    @Test func everyNthVersionSaysWhatMovedItAndNothingIsLearnedDifferently() throws {
        var explaining = settings(in: folder.path("explained"))
        explaining.learn.influenceEvery = 2
        func run(_ settings: GraphSettings) throws -> (Harness<LearnProcessor>, [Data]) {
            var learner = try harness(settings), outputs: [Outgoing] = []
            for ordinal in 1...60 as ClosedRange<UInt64> {
                outputs += learner.send(try moment(ordinal))
                outputs += learner.send(try label(1, of: ordinal))
            }
            outputs += learner.send(try end())
            return (learner, updates(outputs).map(\.sha256))
        }
        let (_, digests) = try run(explaining), (_, plain) = try run(settings(in: folder.path("plain")))
        #expect(digests == plain)
        #expect(!FileManager.default.fileExists(atPath: folder.path("plain/\(InfluenceFile.name)")))

        let explained = try InfluenceFile.read(folder.path("explained/\(InfluenceFile.name)"))
        #expect(explained.count > 2 && explained.allSatisfy { $0.version % 2 == 0 && $0.cause == "schedule" && $0.learned == 4 })
        let newest = try #require(explained.last).explanation
        #expect(newest.steps == 4 && newest.rows == 8 && newest.anchors >= UpdateInfluence.least)
        #expect(newest.sessions.map(\.name) == ["a"])
        #expect((newest.helped + newest.harmed).allSatisfy { $0.name.hasPrefix("a/") && $0.session == "a" && $0.label == 1 })

        // They go on with the checkpoint, and are forgotten with a session.
        var again = explaining
        (again.learn.stream, again.learn.run) = ("two", "second")
        var learner = try LearnProcessor(again, clock: VirtualClock())
        #expect(learner.explained == explained)
        learner.forgetInfluence()
        #expect(learner.influenceFiles.isEmpty)
    }

    @Test func heldOutMomentsAreNeverLearned() throws {
        var held = settings(), plain = settings()
        held.evaluate.holdOut = 1
        plain.evaluate.holdOut = 0
        func weights(_ settings: GraphSettings) throws -> [Data] {
            var learner = try harness(settings), outputs: [Outgoing] = []
            for input in try stream(8) { outputs += learner.send(input) }
            return updates(outputs).map(\.sha256)
        }
        #expect(Set(try weights(held)).count == 1)
        #expect(Set(try weights(plain)).count > 1)
    }

    @Test(arguments: [false, true])
    func killedAnywhereItEndsWithTheSameModel(isGated: Bool) throws {
        func learned(killedAfter kill: Int?) throws -> (ModelUpdate, UInt64) {
            let directory = folder.path(kill.map { "killed-\($0)" } ?? "whole")
            var settings = settings(in: directory)
            settings.learn.gate.enabled = isGated
            let inputs = try stream(21)
            var learner = try harness(settings)
            if let kill {
                for input in inputs[..<kill] { _ = learner.send(input) }
                learner = try harness(settings)
            }
            var outputs: [Outgoing] = []
            for input in inputs { outputs += learner.send(input) }
            #expect(learner.refusals.isEmpty)
            let last = updates(outputs).filter(\.last)
            #expect(last.count == 1)
            return (try #require(last.first), UInt64(updates(outputs).count))
        }
        let (whole, _) = try learned(killedAfter: nil)
        let count = try stream(21).count
        for kill in 1...count {
            let (resumed, _) = try learned(killedAfter: kill)
            #expect(resumed.sha256 == whole.sha256, "killed after event \(kill) of \(count)")
            #expect(resumed.version == whole.version, "killed after event \(kill) of \(count)")
        }
    }

    @Test(arguments: [("never", 1), ("er", 6)])
    func liveAModelThatHasNotChangedIsNotSentAgain(strategy: String, count: Int) throws {
        var settings = settings(in: "")
        (settings.mode, settings.learner.strategy) = (.live, strategy)
        var learner = try harness(settings), outputs: [Outgoing] = []
        for ordinal in 1...21 as ClosedRange<UInt64> {
            outputs += learner.send(try moment(ordinal))
            outputs += learner.send(try label(1, of: ordinal))
        }
        #expect(updates(outputs).count == count && learner.refusals.isEmpty, "\(updates(outputs).map(\.reason))")
    }

    @Test func liveWithoutNewEventsNoCheckpointIsWritten() throws {
        var settings = settings(in: folder.path("idle"))
        settings.mode = .live
        var learner = try harness(settings)
        func isWrittenAgain() throws -> Bool {
            try? FileManager.default.removeItem(atPath: folder.path("idle"))  // there may be none yet
            learner.advance(by: .seconds(31))
            return FileManager.default.fileExists(atPath: folder.path("idle/training.safetensors"))
        }
        for ordinal in 1...2 as ClosedRange<UInt64> {
            learner.send(try moment(ordinal))
            #expect(try isWrittenAgain())
            #expect(try !isWrittenAgain())
        }
    }

    @Test func anotherRunOfTheSameStreamLearnsItOnceMore() throws {
        let directory = folder.path("run")
        func run(_ name: String) throws -> ModelUpdate {
            var settings = settings(in: directory)
            settings.learn.run = name
            var learner = try harness(settings), outputs: [Outgoing] = []
            for (index, input) in try stream(12).enumerated() {
                guard case .event(.moment(var moment, let values), let stamp) = input, name != "first" else {
                    outputs += learner.send(input)
                    continue
                }
                moment.ordinal += 12  // ordinals continue after the first run
                moment.id = "a/\(moment.ordinal)-\(index)"
                outputs += learner.send(.event(.moment(moment, values), stamp))
            }
            return try #require(updates(outputs).last)
        }
        let first = try run("first"), again = try run("first"), second = try run("second")
        #expect(first.sha256 == again.sha256)
        #expect(second.sha256 != first.sha256)
        #expect(second.version > first.version)
    }

    @Test func theCheckpointIsAGPT2OfTheConfiguredShape() throws {
        let directory = folder.path("run")
        var learner = try harness(settings(in: directory))
        for input in try stream(6) { _ = learner.send(input) }
        let saved =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: directory + "/config.json"))) as? [String: Any]
        let archive = try TensorArchive(mapping: directory + "/model.safetensors")
        let (n, width) = (try #require(saved?["n_positions"] as? Int), try #require(saved?["n_embd"] as? Int))
        #expect(try archive.tensor("transformer.wpe.weight").shape == [n, width])
        #expect(try archive.tensor("transformer.wte.weight").shape == [try #require(saved?["vocab_size"] as? Int), width])
    }

    @Test func everyOrderIsAnsweredAndOneThatIsCarriedOutIsInTheLedger() throws {
        var learner = try harness(settings()), sequence: UInt64 = 0
        func answer(_ change: (inout Order) -> Void) throws -> OrderAnswer {
            sequence += 1
            let order = Order.with {
                $0.stamp = Stamp(from: "operator", sequence: sequence, epoch: 9); change(&$0)
            }
            let outputs = learner.send(try .init(WireMessage(order, on: try Topics.order("learn"))))
            let answers = outputs.filter { $0.topic == "order.answer.learn/" }.compactMap { $0.message as? OrderAnswer }
            let answer = try #require(answers.first)
            #expect(answers.count == 1)
            #expect((answer.orderSource, answer.orderEpoch, answer.orderSequence) == ("operator", 9, sequence))
            // The answer stays within the bounds of a message, whatever was ordered.
            var sent = answer
            sent.stamp = Stamp(from: "learn", sequence: sequence)
            #expect(try WireMessage(sent, on: try Topics.orderAnswer("learn")).decode(OrderAnswer.self) == sent)
            return answer
        }
        for refused in [
            try answer { $0.switchOptimizer = "magic" }, try answer { $0.scaleRate = -1 }, try answer { $0.rollBack = true },
            try answer { _ in }, try answer { $0.switchStrategy = String(repeating: "é\u{1B}", count: 20_000) },
        ] {
            #expect(!refused.accepted && !refused.reason.isEmpty && refused.done.isEmpty && refused.momentsSeen == 0)
        }
        #expect(try answer { $0.switchOptimizer = "magic" }.reason.contains("there is no 'magic'; there are sgd"))
        #expect(learner.processor.telemetry.drops[.badOrder] == 6 && learner.refusals.isEmpty)
        for input in try stream(2).dropLast() { _ = learner.send(input) }
        let forgotten = try answer { $0.forgetSource = "nobody" }
        #expect(forgotten.accepted && forgotten.done == "forgot 0 remembered moments of nobody" && forgotten.momentsSeen == 2)
        let many = try answer { $0.switchStrategy = String(repeating: "er,", count: 20_000) }
        #expect(many.accepted && many.done.utf8.count < 1_000, "\(many.done.utf8.count)")
        let switched = try answer {
            $0.switchOptimizer = "momentum"; $0.settings = #"{"learning_rate": 0.01}"#
        }
        #expect(switched.accepted && switched.done == "steps by momentum, on trial" && switched.reason.isEmpty)
        #expect(learner.processor.telemetry.drops[.badOrder] == 6)
        var outputs: [Outgoing] = []
        for input in try stream(8).dropFirst(2) { outputs += learner.send(input) }
        let lines = outputs.compactMap { $0.message as? TriggerLedgerPart }.flatMap(\.lines)
        #expect(lines.contains { $0.rule == "operator" && $0.note.contains("momentum") })
    }

    /// An operator goes back to what was published as a version, to the bit, also after a restart; with a gate it serves at once.
    @Test(arguments: [false, true])
    func anEarlierVersionComesBack(gated: Bool) throws {
        let directory = folder.path("run")
        var settings = settings(in: directory)
        (settings.learn.gate.enabled, settings.learn.keptVersions) = (gated, 3)
        var learner = try harness(settings), outputs: [Outgoing] = [], sequence: UInt64 = 0
        func order(_ settings: String) throws -> OrderAnswer {
            sequence += 1
            let order = Order.with {
                ($0.stamp, $0.rollBack, $0.settings) = (Stamp(from: "operator", sequence: sequence), true, settings)
            }
            let answers = learner.send(try .init(WireMessage(order, on: try Topics.order("learn")))).compactMap {
                $0.message as? OrderAnswer
            }
            return try #require(answers.first)
        }
        let moments = Array(try stream(24).dropLast())
        for input in moments { outputs += learner.send(input) }
        let published = Dictionary(updates(outputs).map { ($0.version, SHA256.hex([UInt8]($0.sha256))) }) { $1 }
        let kept = learner.processor.kept.versions
        #expect(kept.count == 3 && kept.allSatisfy { published[$0] != nil }, "\(kept)")
        let (early, middle) = (kept[0], kept[1])
        #expect(published[early] != published[middle])
        for bad in ["{}", "[1]", #"{"version": "one"}"#, #"{"version": -1}"#, #"{"version": 1, "more": 2}"#, #"{"version": 0}"#, "{"] {
            let answer = try order(bad)
            #expect(!answer.accepted && !answer.reason.isEmpty, "\(bad)")
        }
        #expect(try order(#"{"version": 0}"#).reason.contains(kept.map(String.init).joined(separator: ", ")))
        let answer = try order(#"{"version": \#(middle)}"#)
        #expect(answer.accepted && answer.done == "the weights of version \(middle) are back", "\(answer)")
        #expect(learner.processor.parametersDigest == published[middle])
        // Each number between two that are kept means the one before it.
        #expect(try order(#"{"version": \#(middle - 1)}"#).done.contains("version \(early) are back, the newest kept up to"))
        #expect(learner.processor.parametersDigest == published[early])
        settings.learn.run = "second"
        learner = try harness(settings)
        #expect(learner.processor.kept.versions == kept)
        #expect(try order(#"{"version": 1000000}"#).accepted && learner.processor.parametersDigest == published[kept[2]])
        let path = "\(directory)/kept/\(early)/senses.safetensors"
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: URL(filePath: path))
        let before = learner.processor.parametersDigest, damaged = try order(#"{"version": \#(early)}"#)
        #expect(!damaged.accepted && damaged.reason.contains("version \(early) cannot be read"))
        #expect(learner.processor.parametersDigest == before)
    }

    /// In live mode it is a version of its own, published at once.
    @Test func anEarlierVersionIsPublishedAtOnce() throws {
        var settings = settings(in: folder.path("live"))
        settings.mode = .live
        (settings.learn.publishInterval, settings.learn.checkpointInterval) = (0.5, 1)
        var learner = try harness(settings), outputs: [Outgoing] = []
        for input in try stream(12).dropLast() {
            outputs += learner.send(input)
            outputs += learner.advance(by: .milliseconds(700))
        }
        let published = Dictionary(updates(outputs).map { ($0.version, $0.sha256) }) { $1 }, kept = learner.processor.kept.versions
        let version = try #require(kept.dropLast().last), newest = try #require(published.keys.max())
        let order = Order.with {
            ($0.stamp, $0.rollBack, $0.settings) = (Stamp(from: "operator", sequence: 1), true, #"{"version": \#(version)}"#)
        }
        let update = try #require(updates(learner.send(try .init(WireMessage(order, on: try Topics.order("learn"))))).first)
        #expect(update.version == newest + 1 && update.sha256 == published[version] && update.sha256 != published[newest])
        #expect(update.reason == "rolled back")
        let reset = Order.with { ($0.stamp, $0.resetAll) = (Stamp(from: "operator", sequence: 2), true) }
        learner.send(try .init(WireMessage(reset, on: try Topics.order("learn"))))
        #expect(learner.processor.kept.versions.isEmpty && fileNames(in: folder.path("live/kept")).isEmpty)
    }

    private struct Former {
        weak var learner: OnlineLearner?
    }

    /// After a reset, parameters are the initial ones, and moments teach what they teach a learner that has seen nothing else, to the bit.
    @Test(arguments: [false, true])
    func aResetLearnerIsAsBeforeTheFirstMoment(gated: Bool) throws {
        var settings = settings()
        settings.learn.gate.enabled = gated
        var learner = try harness(settings), fresh = try harness(settings)
        let moments = Array(try stream(40).dropLast()), half = moments.count / 2
        let start = Array(learner.processor.guided.learner.parameters.values)
        for input in moments[..<half] { _ = learner.send(input) }
        #expect(!learner.processor.guided.learner.parameters.values.elementsEqual(start))
        let before = Former(learner: learner.processor.guided.learner)
        let order = Order.with { ($0.stamp, $0.resetAll) = (Stamp(from: "operator", sequence: 1), true) }
        let answers = learner.send(try .init(WireMessage(order, on: try Topics.order("learn")))).compactMap { $0.message as? OrderAnswer }
        #expect(answers.first?.accepted == true)
        #expect(before.learner == nil, "its memory is free again")
        let reset = learner.processor.guided.learner
        #expect(reset.steps == 0 && reset.memorySlots.isEmpty && reset.parameters.values.elementsEqual(start))
        for input in moments[half...] {
            _ = learner.send(input)
            _ = fresh.send(input)
        }
        #expect(reset.steps > 0 && reset.steps == fresh.processor.guided.learner.steps)
        #expect(reset.parameters.values.elementsEqual(fresh.processor.guided.learner.parameters.values))
    }

    /// An optimiser with a rate of 0 leaves the model unchanged, checked on the published parameters.
    @Test func anOptimizerThatAnOrderSwitchesToIsTheOneThatLearns() throws {
        func digests(_ settings: String?) throws -> [Data] {
            var learner = try harness(self.settings()), outputs: [Outgoing] = []
            for (index, input) in try stream(21).enumerated() {
                if index == 20, let settings {
                    _ = learner.send(
                        try .init(
                            WireMessage(
                                Order.with {
                                    $0.stamp = Stamp(from: "operator", sequence: 1)
                                    ($0.switchOptimizer, $0.settings) = ("momentum", settings)
                                }, on: try Topics.order("learn"))))
                }
                outputs += learner.send(input)
            }
            #expect(learner.refusals.isEmpty)
            return updates(outputs).map(\.sha256)
        }
        let plain = try digests(nil), still = try digests(#"{"learning_rate": 0}"#), moving = try digests(#"{"learning_rate": 0.001}"#)
        #expect(Set(plain).count == plain.count && plain.count == 7)
        #expect(still[..<3] == plain[..<3] && moving[..<3] == plain[..<3])
        #expect(Set(still[4...]).count == 1, "nothing moves")
        #expect(Set(moving[4...]).count == moving[4...].count && moving.last != plain.last, "it moves, and otherwise")
    }
}
