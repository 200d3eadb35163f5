import Files
import FilesTesting
import Foundation
import Messaging
import Model
import Pipeline
import PipelineTesting
import Safetensors
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Learn
@testable import Reinforcement
@testable import Serving

/// Fuse decides, feedback is joined to its decision, and fuse adopts the learner's policy.
struct DecisionTests {
    private let folder = Folder()

    private func settings(_ policy: String = "bandit") -> GraphSettings {
        var settings = GraphSettings()
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.text.length = 8
        settings.model.text.buckets = 16
        settings.decide.policy = policy
        settings.decide.choices = 3
        settings.decide.inputs = 2
        settings.decide.alone = true
        return settings
    }

    private func moment(_ ordinal: UInt64) -> Moment {
        .with {
            $0.id = "s/\(ordinal)"; $0.session = "s"; $0.ordinal = ordinal
        }
    }

    private func input(_ x: Float) -> MomentInput {
        var input = MomentInput()
        input.senses["vector"] = SenseInput(
            rows: 2, columns: 16, values: Array(repeating: 9, count: 16) + [x, -x] + Array(repeating: 0, count: 14), age: 0, validity: 1)
        return input
    }

    private func decide(_ decider: inout Decider, _ ordinal: UInt64, _ x: Float) throws -> (action: Action, record: DecisionRecord) {
        let outputs = try decider.decide(on: moment(ordinal), input(x), representation: [], modelVersion: 4, latency: 0.001)
        #expect(outputs.map(\.topic) == ["action.s/", "moment.s/"])
        let action = try #require(outputs[0].message as? Action), event = try #require(outputs[1].message as? MomentEvent)
        return (action, event.decision)
    }

    private func feedback(_ action: Action, _ reward: Double) -> Feedback {
        .with {
            $0.session = action.session; $0.decision = action.decision; $0.reward = reward
        }
    }

    @Test func aMomentIsDecidedOnByItsNewestVector() throws {
        var decider = try #require(try Decider(settings()))
        let (action, record) = try decide(&decider, 7, 0.5)
        #expect(record.observation == [0.5, -0.5] && action.hasChoice && action.choice < 3 && action.modelVersion == 4)
        #expect(exp(action.logProbability) > 0.03 && exp(action.logProbability) <= 1)
        #expect(DecisionID(action.decision)?.place == .init(session: "s", ordinal: 7))
        #expect(throws: Refusal.self) { try decider.decide(on: moment(8), MomentInput(), representation: [], modelVersion: 0, latency: 0) }
    }

    @Test func rewardsChangeWhatIsDecided() throws {
        let settings = settings()
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        var now = Instant(nanoseconds: 0), right = 0
        for round in 1...300 {
            let x: Float = round.isMultiple(of: 2) ? 1 : -1
            let (action, record) = try decide(&decider, UInt64(round), x)
            now = Instant(nanoseconds: now.nanoseconds + 1_000_000)
            var updates = try learner.take(record, at: now)
            let isRight = action.choice == (x > 0 ? 2 : 0)
            if round > 200, isRight { right += 1 }
            updates += try learner.take(feedback(action, isRight ? 1 : 0), at: now)
            for update in updates { try adopt(update, by: &decider, round) }
        }
        #expect(right > 85, "\(right) of 100")
        #expect(decider.policyVersion == 300 && learner.gauges["decisionsTold"] == 300)
    }

    private func adopt(_ outgoing: Outgoing, by decider: inout Decider, _ sequence: Int) throws {
        var update = try #require(outgoing.message as? PolicyUpdate)
        update.stamp = Stamp(from: "learn", sequence: UInt64(sequence))
        let message = try WireMessage(update, on: Topics.policyUpdate.only, payload: outgoing.payload)
        try decider.adopt(update, payload: message)
    }

    @Test func badFeedbackIsRefusedByReason() throws {
        let settings = settings()
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        let start = Instant(nanoseconds: 0)
        let (action, record) = try decide(&decider, 1, 1)
        _ = try learner.take(record, at: start)
        func refusal(_ change: (inout Feedback) -> Void) -> Reason? {
            var one = feedback(action, 1)
            change(&one)
            do {
                _ = try learner.take(one, at: start)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(refusal { $0.decision = "s/1/0" }?.rawValue == "forgedFeedback")
        #expect(refusal { $0.session = "other" }?.rawValue == "forgedFeedback")
        #expect(refusal { $0.decision = "s/99/0" } == .orphanFeedback)
        #expect(refusal { $0.decision = "nonsense" } == .orphanFeedback)
        #expect(refusal { $0.clearReward() } == .emptyFeedback)
        #expect(refusal { $0.reward = .nan } == .emptyFeedback)
        #expect(refusal { _ in } == nil)
        #expect(refusal { _ in }?.rawValue == "duplicateFeedback")
        var wrong = record
        wrong.observation = [1]
        #expect(throws: Refusal.self) { try learner.take(wrong, at: start) }
    }

    @Test func aDecisionWithoutFeedbackGetsTheDefaultReward() throws {
        var settings = settings()
        settings.decide.window = 2
        settings.decide.defaultReward = -1
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        let (action, record) = try decide(&decider, 1, 1)
        _ = try learner.take(record, at: Instant(nanoseconds: 0))
        #expect(learner.tick(at: Instant(nanoseconds: 1_900_000_000)).isEmpty)
        #expect(!learner.tick(at: Instant(nanoseconds: 2_100_000_000)).isEmpty && learner.gauges["decisionsUntold"] == 1)
        #expect(throws: Refusal.self) { try learner.take(feedback(action, 1), at: Instant(nanoseconds: 2_200_000_000)) }
    }

    @Test(arguments: [("ppo", 3.0, 2.0), ("bandit", 0, 5)])
    func whatAnOldPolicyDecidedIsLeftOutAndCountedWhereItTeachesNothing(policy: String, stale: Double, version: Double) throws {
        var settings = settings(policy)
        settings.decide.maximumStaleness = 1
        if policy == "ppo" { settings.decide.settings = ["batch": 1, "minibatch": 1] }
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        for round in 1...5 {  // the decider receives no new policies
            let (action, record) = try decide(&decider, UInt64(round), 1)
            _ = try learner.take(record, at: Instant(nanoseconds: 0))
            var ending = feedback(action, 1)
            ending.terminal = true
            _ = try learner.take(ending, at: Instant(nanoseconds: 0))
        }
        #expect(Double(learner.drops[.staleDecision]) == stale && learner.gauges["policyVersion"] == version)
    }

    @Test func aPolicyIsTakenWholeOrNotAtAll() throws {
        let settings = settings()
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        let start = try #require(learner.begin().first), update = try #require(start.message as? PolicyUpdate)
        func refusal(_ change: (inout PolicyUpdate) -> Void) throws -> Reason? {
            var changed = update
            changed.stamp = Stamp(from: "learn", sequence: 1)
            changed.version = 3
            change(&changed)
            let message = try WireMessage(changed, on: Topics.policyUpdate.only, payload: start.payload)
            do throws(Refusal) {
                try decider.adopt(changed, payload: message)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(try refusal { $0.sha256[0] ^= 1 } == .wrongDigest)
        #expect(try refusal { $0.policy = "ppo" } == .wrongPolicy)
        #expect(try refusal { _ in } == nil)
        #expect(try refusal { $0.version = 2 } == .sequenceRunsBack)
    }

    private static func digest(_ bytes: [UInt8]) -> Data {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        return Data(hash.digest())
    }

    /// The first tensor is valid, the second is not: the first is not used either.
    @Test func ofAPartlyInvalidPolicyNothingIsUsed() throws {
        let layout = ParameterLayout([Parameter("first", [2]), Parameter("second", [2])])
        let wrong: [([TensorContent], Reason)] = [
            ([.init(name: "first", shape: [2], floats: [5, 6]), .init(name: "second", shape: [2], floats: [7, .nan])], .nonFinite),
            ([.init(name: "first", shape: [2], floats: [5, 6]), .init(name: "second", shape: [2], floats: [.infinity, 7])], .nonFinite),
            ([.init(name: "first", shape: [2], floats: [5, 6]), .init(name: "second", shape: [3], floats: [7, 8, 9])], .wrongPolicy),
            ([.init(name: "first", shape: [2], floats: [5, 6])], .wrongPolicy),
        ]
        let store = ParameterStore<Float>(layout)
        for (index, number) in [1, 2, 3, 4].enumerated() { store.values[index] = Float(number) }
        var adopted = try AdoptedPolicy("bandit", store, GraphSettings())
        func offer(_ tensors: [TensorContent], version: UInt64) throws -> Reason? {
            let path = folder.path("policy.safetensors")
            try TensorArchive.write(tensors, to: path)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let digest = Self.digest(bytes)
            let update = PolicyUpdate.with {
                $0.stamp = Stamp(from: "learn", sequence: version)
                ($0.version, $0.policy) = (version, "bandit")
                $0.sha256 = digest
            }
            let message = try WireMessage(update, on: Topics.policyUpdate.only, payload: [Payload(bytes)])
            do throws(Refusal) {
                try adopted.adopt(update, payload: message)
                return nil
            } catch {
                return error.reason
            }
        }
        for (tensors, reason) in wrong {
            #expect(try offer(tensors, version: 1) == reason)
            #expect(Array(adopted.parameters.values) == [1, 2, 3, 4] && adopted.version == 0 && !adopted.isKnown)
        }
        #expect(
            try offer([.init(name: "first", shape: [2], floats: [5, 6]), .init(name: "second", shape: [2], floats: [7, 8])], version: 1)
                == nil)
        #expect(Array(adopted.parameters.values) == [5, 6, 7, 8] && adopted.version == 1)
    }

    @Test(arguments: [1e308, -1e308, 1e30, 1000.5, -1001]) func aRewardBeyondTheLimitIsRefusedAndItsDecisionGoesOnWaiting(reward: Double)
        throws
    {
        var decider = try #require(try Decider(settings())),
            learner = try #require(try DecisionLearner(settings()) { ParameterStore(ParameterLayout([])) })
        let (action, record) = try decide(&decider, 1, 1), start = Instant(nanoseconds: 0)
        _ = try learner.take(record, at: start)
        let refusal = #expect(throws: Refusal.self) { try learner.take(feedback(action, reward), at: start) }
        #expect(refusal?.reason == .rewardOutOfRange)
        #expect(!(try learner.take(feedback(action, 1000), at: start)).isEmpty && learner.gauges["decisionReward"] == 1000)
    }

    @Test func aStoredPolicyThatIsNotFiniteStartsAgainAfterItsVersions() throws {
        let directory = folder.path("broken")
        var settings = settings()
        settings.learn.directory = directory
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        _ = learner.begin()
        for round in 1...5 {
            let (action, record) = try decide(&decider, UInt64(round), 1)
            _ = try learner.take(record, at: Instant(nanoseconds: 0))
            _ = try learner.take(feedback(action, 1), at: Instant(nanoseconds: 0))
        }
        try CheckpointDirectory(directory).write(learner.files())
        let path = directory + "/policy.safetensors", whole = try TensorArchive(mapping: path)
        let tensors = try whole.tensors.map { tensor in
            guard tensor.name == "policy.bandit.reward" else { return TensorContent(tensor) }
            var numbers = try tensor.floats()
            numbers[1] = .infinity
            return TensorContent(name: tensor.name, shape: tensor.shape, floats: numbers)
        }
        try CheckpointDirectory(directory).write([.init("policy.safetensors", tensors)])
        var again = try #require(
            try DecisionLearner(settings, from: CheckpointDirectory(directory).open()) { ParameterStore(ParameterLayout([])) })
        let start = try #require(again.begin().first), update = try #require(start.message as? PolicyUpdate)
        #expect(again.drops[.checkpointDamaged] == 1 && update.version > 5)
        var taken = update
        taken.stamp = Stamp(from: "learn", sequence: 1)
        try decider.adopt(taken, payload: WireMessage(taken, on: Topics.policyUpdate.only, payload: start.payload))
    }

    @Test func aPolicyContinuesFromItsCheckpointAndItsLogIsEvaluated() throws {
        let directory = folder.path("run")
        var settings = settings()
        settings.learn.directory = directory
        var decider = try #require(try Decider(settings)),
            learner = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        for round in 1...400 {
            let x: Float = round.isMultiple(of: 2) ? 1 : -1
            let (action, record) = try decide(&decider, UInt64(round), x)
            _ = try learner.take(record, at: Instant(nanoseconds: 0))
            // The decider keeps its first policy, so that the log has all choices.
            _ = try learner.take(feedback(action, action.choice == 2 ? 1 : 0), at: Instant(nanoseconds: 0))
        }
        learner.flush()
        try CheckpointDirectory(directory).write(learner.files())
        let opened = try CheckpointDirectory(directory).open()
        let again = try #require(try DecisionLearner(settings, from: opened) { ParameterStore(ParameterLayout([])) })
        let version = try #require(again.gauges["policyVersion"])
        #expect(version > 400, "versions after the checkpoint may have been published")
        #expect(again.gauges == learner.gauges.merging(["decisionsOpen": 0, "decisionReward": 0, "policyVersion": version]) { $1 })
        let report = try DecisionReport(directory: directory)
        #expect(report.decisions == 400 && report.withFeedback == 400 && report.unreadable == 0)
        #expect(report.recommendation == "always 2", "\(report.text)")
        settings.decide.choices = 4
        #expect(throws: CheckpointMismatch.self) { try DecisionLearner(settings, from: opened) { ParameterStore(ParameterLayout([])) } }
        #expect(throws: DecisionReportError.self) { try DecisionReport(directory: directory + "/nowhere") }
    }

    @Test func aLogWithoutChoicesReportsTheMeanRewards() throws {
        let log = (0..<40).map {
            LoggedDecision(
                decision: "s/\($0)/1", policy: "ppo", version: UInt64($0), observation: [], choice: nil, tokens: [104, 105],
                logProbability: -3, value: 0,
                reward: Double($0 / 10), hasFeedback: true)
        }
        let report = try DecisionReport(log) { _ in nil }
        #expect(
            report.quarters.map(\.mean) == [0, 1, 2, 3] && abs(report.earned.mean - 1.5) < 1e-9 && report.candidates.isEmpty
                && report.recommendation.isEmpty)
        #expect(report.text.contains("no other policy is judged"))
    }

    @Test func impossibleLinesAreCountedAndNotUsed() throws {
        let good =
            #"{"decision":"s/1/1","policy":"ppo","version":1,"observation":[0.1,0.2],"choice":1,"logProbability":-0.7,"#
            + #""value":0,"reward":1,"wasTold":true}"#
        let bad: [(String, String)] = [
            (#""choice":1"#, #""choice":-1"#), (#""choice":1"#, #""choice":9223372036854775807"#), (#""choice":1"#, #""choice":1000000"#),
            (#""reward":1"#, #""reward":1e308"#), (#""logProbability":-0.7"#, #""logProbability":-1e308"#),
            (#""logProbability":-0.7"#, #""logProbability":700"#),
            (#""reward":1"#, #""reward":NaN"#), ("{", "["),
        ]
        let lines = Array(repeating: good, count: 40) + bad.map { good.replacing($0.0, with: $0.1) } + ["null", "\u{FFFD}"]
        try replaceFile(at: folder.path("decisions.jsonl")) { append in
            try Array(lines.joined(separator: "\n").utf8 + [0x0A, 0xFF, 0xFE, 0x0A]).withUnsafeBytes(append)
        }
        let report = try DecisionReport(directory: folder.path)
        #expect(report.decisions == 40 && report.unreadable == bad.count + 3)
        #expect(report.candidates.map(\.name) == ["evenly", "always 0", "always 1", "bandit"])
        #expect(report.earned.mean == 1)
        _ = try report.json
    }

    @Test func aLogWithTooManyNumbersIsRefusedAndOfALongOneTheNewestLinesAreUsed() throws {
        func log(_ count: Int, inputs: Int, choice: Int) -> [LoggedDecision] {
            (0..<count).map {
                LoggedDecision(
                    decision: "s/\($0)/1", policy: "ppo", version: 1, observation: Array(repeating: 0.5, count: inputs),
                    choice: $0 % 2 == 0 ? choice : 0,
                    logProbability: -0.7, value: 0, reward: 1, hasFeedback: true)
            }
        }
        #expect(throws: DecisionReportError.self) { try DecisionReport(log(2, inputs: 1000, choice: 1023)) { _ in nil } }
        #expect(try DecisionReport(log(300, inputs: 2, choice: 1023)) { _ in nil }.candidates.first?.estimate.count == 300)
    }

    @Test func invalidSettingsAreRefusedAtStart() {
        func problems(_ change: (inout GraphSettings) -> Void) -> [String] {
            var changed = settings("ppo")
            change(&changed)
            return changed.problems.map(\.key)
        }
        #expect(problems { _ in }.isEmpty)
        #expect(problems { $0.decide.policy = "oracle" } == ["decide.policy"])
        #expect(problems { $0.decide.policy = "ddpg" } == ["decide.policy"])
        #expect(problems { $0.decide.settings = ["clip": 3] } == ["decide.settings"])
        #expect(problems { $0.decide.choices = 1 } == ["decide.choices"])
        #expect(problems { $0.decide.choices = 0 } == ["decide.choices"])
        #expect(problems { $0.mode = .lockstep } == ["decide.policy"])
        #expect(problems { $0.decide.observation = "model" } == ["decide.alone"])
        #expect(
            problems {
                $0.decide.observation = "model"; $0.decide.alone = false
            }.isEmpty)
        func writes(_ change: (inout GraphSettings) -> Void) -> [String] {
            problems {
                ($0.decide.choices, $0.decide.text, $0.decide.alone, $0.answer.after, $0.answer.temperature) = (
                    0, true, false, ["explicit"], 0.8
                )
                change(&$0)
            }
        }
        #expect(writes { _ in }.isEmpty)
        #expect(writes { $0.decide.choices = 2 } == ["decide.choices"])
        #expect(writes { $0.decide.policy = "bandit" } == ["decide.policy"])
        #expect(writes { $0.decide.alone = true } == ["decide.alone"])
        #expect(writes { $0.answer.after = [] } == ["decide.text"])
        #expect(writes { $0.answer.temperature = 0 } == ["decide.text"] && writes { $0.answer.topK = 5 } == ["decide.text"])
        #expect(writes { $0.decide.settings = ["learns": "nothing"] } == ["decide.settings"])
        #expect(writes { $0.decide.settings = ["projections": ["c_at"]] } == ["decide.settings"])
    }
}
