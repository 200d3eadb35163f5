import Forgetting
import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Extract
@testable import Fuse
@testable import Ingest
@testable import Learn
@testable import Reinforcement

import struct Statistics.RandomSource

/// Ingest, extract, fuse and learn, connected directly: what one publishes is passed to its subscribers at once, as bytes.
private struct Loop {
    private var ingest: IngestProcessor
    private var extract: [String: ExtractProcessor] = [:]
    private var fuse: FuseProcessor
    private var learn: LearnProcessor
    private var sequence: UInt64 = 0
    private(set) var actions: [Action] = []
    private(set) var refused: [Reason: Int] = [:]
    var now = Instant(nanoseconds: 1)

    init(_ settings: GraphSettings) throws {
        let clock = VirtualClock()
        ingest = IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: "")
        for modality in settings.model.modalities {
            extract[modality] = try ExtractProcessor(ExtractSettings(settings), modality: modality)
        }
        fuse = try FuseProcessor(settings, clock: clock)
        learn = try LearnProcessor(settings, clock: clock)
        try pass(learn.tick(at: now))
    }

    var learnGauges: [String: Double] { learn.telemetry.gauges }

    mutating func tick() throws { try pass(fuse.tick(at: now) + learn.tick(at: now)) }

    /// Returns the decisions since the last call.
    mutating func takeActions() -> [Action] {
        defer { actions = [] }
        return actions
    }

    mutating func publish(_ message: some Stamped, on topic: String, payload: [Payload] = []) throws {
        let wire = WireMessage(topic: topic, header: try message.serializedBytes(), payload: payload)
        do {
            try pass(try ingest.process(.init(wire), at: now).map(\.outgoing))
        } catch let refusal as Refusal {
            refused[refusal.reason, default: 0] += 1
        }
    }

    private mutating func pass(_ outgoing: [Outgoing]) throws {
        for one in outgoing { try pass(one) }
    }

    private mutating func pass(_ outgoing: Outgoing) throws {
        sequence += 1
        var message = outgoing.message
        if !message.hasStamp || message.stamp.source.isEmpty { message.stamp = Stamp(from: "stage", sequence: sequence) }
        let wire = WireMessage(topic: outgoing.topic, header: try message.serializedBytes(), payload: outgoing.payload)
        do {
            switch wire.topic.split(separator: ".")[0] {
            case "sample":
                let modality = String(wire.topic.dropFirst("sample.".count).dropLast())
                if let outputs = try extract[modality]?.process(.init(wire), at: now) { try pass(outputs) }
            case "feature", "feedback", "policy", "model": try pass(try fuse.process(.init(wire), at: now))
            case "moment": try pass(try learn.process(.init(wire), at: now))
            case "action": actions.append(try wire.decode())
            default: break
            }
        } catch let refusal as Refusal {
            refused[refusal.reason, default: 0] += 1
        }
    }
}

struct DecisionLoopTests {
    private func settings() -> GraphSettings {
        var settings = GraphSettings()
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.text.length = 8
        settings.model.text.buckets = 16
        settings.decide.policy = "ppo"
        settings.decide.choices = 2
        settings.decide.inputs = 4
        settings.decide.alone = true
        settings.decide.settings = ["learning_rate": 0.002, "batch": 256, "minibatch": 64]
        return settings
    }

    /// A cart-pole environment as a publisher: it sends its observation, carries out the action and sends the reward.
    private struct Pole {
        let name: String
        var world = CartPole()
        var observation: [Float]
        var clock: Int64 = 0
        var total = 0.0

        init(_ name: String, _ random: inout RandomSource) {
            self.name = name
            observation = world.reset(using: &random)
        }

        mutating func observe(_ loop: inout Loop) throws {
            clock += 1_000_000
            let reading = SensorReading.with {
                $0.stamp = stamp
                $0.session = name
                $0.modality = "vector"
                $0.format = "vector/f32le"
                $0.ends = .explicit
            }
            try loop.publish(reading, on: "sensor.vector.\(name)/", payload: [Payload(observation)])
        }

        private var stamp: Stamp {
            .with {
                $0.schemaVersion = 1; $0.source = name; $0.epoch = 1; $0.sequence = UInt64(clock); $0.time = clock; $0.clock = "steps"
            }
        }

        func sendReward(for action: Action, reward: Double, _ loop: inout Loop) throws {
            try loop.publish(
                Feedback.with {
                    $0.stamp = stamp
                    $0.session = name
                    $0.decision = action.decision
                    $0.reward = reward
                }, on: "feedback.\(name)/")
        }

        /// The return of an episode that ended.
        mutating func act(_ action: Action, _ loop: inout Loop, _ random: inout RandomSource) throws -> Double? {
            let outcome = world.step(Decision(choice: Int(action.choice), logProbability: 0, value: 0))
            observation = outcome.observation
            total += outcome.reward
            let feedback = Feedback.with {
                $0.stamp = stamp
                $0.session = name
                $0.decision = action.decision
                $0.reward = outcome.reward
                $0.terminal = outcome.isTerminal
                $0.truncated = outcome.isTruncated && !outcome.isTerminal
            }
            try loop.publish(feedback, on: "feedback.\(name)/")
            guard outcome.isTerminal || outcome.isTruncated else { return nil }
            defer { total = 0 }
            observation = world.reset(using: &random)
            return total
        }
    }

    /// An environment is a publisher: through every processor of the graph, the pole is balanced longer and longer.
    @Test func cartPoleIsLearnedThroughTheWholeGraph() throws {
        var loop = try Loop(settings()), random = RandomSource(seed: 1)
        var poles = (0..<4).map { Pole("pole-\($0)", &random) }, returns: [Double] = [], steps = 0.0
        while steps < 8000 {
            for index in poles.indices {
                loop.now = Instant(nanoseconds: loop.now.nanoseconds + 1_000_000)
                try poles[index].observe(&loop)
                let action = try #require(loop.takeActions().first)
                if let total = try poles[index].act(action, &loop, &random) { returns.append(total) }
                steps += 1
            }
        }
        let first = returns.prefix(20).reduce(0, +) / 20, last = returns.suffix(10).reduce(0, +) / 10
        #expect(last > 3 * first, "\(first), then \(last)")
        #expect(loop.refused.isEmpty)
        #expect(loop.learnGauges["decisionsUntold"] == 0)
        #expect(steps - (loop.learnGauges["decisionsTold"] ?? 0) <= 4)  // the newest of each waits for what follows it
        #expect((loop.learnGauges["policyVersion"] ?? 0) >= 25)
    }

    /// The same with the model's encoding of all senses as observation; the model learns and predicts too.
    @Test func aPolicyLearnsFromTheModelsEncoding() throws {
        var settings = settings()
        settings.decide.alone = false
        settings.decide.observation = "model"
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        var loop = try Loop(settings), random = RandomSource(seed: 2), pole = Pole("pole", &random)
        for _ in 0..<20 {
            loop.now = Instant(nanoseconds: loop.now.nanoseconds + 1_000_000)
            try pole.observe(&loop)
            let action = try #require(loop.takeActions().first)
            #expect(action.hasChoice && action.logProbability < 0)
            _ = try pole.act(action, &loop, &random)
        }
        #expect(loop.refused.isEmpty && (loop.learnGauges["decisionsTold"] ?? 0) >= 19)
    }

    /// Generated answers are decisions too: they are published piece by piece, rewards are joined to them, and rewarded tokens become more
    /// frequent.
    @Test func aTextIsLearnedThroughTheWholeGraph() throws {
        var settings = settings()
        settings.model.text.length = 6
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        settings.answer.after = ["explicit"]
        settings.answer.maximumTokens = 5
        settings.answer.tokensPerTick = 2
        settings.answer.temperature = 1
        settings.decide.alone = false
        settings.decide.choices = 0
        settings.decide.text = true
        settings.decide.settings = ["learns": "trunk", "learning_rate": 0.02, "texts": 16, "penalty": 0, "round_divergence": 0]
        #expect(settings.problems.isEmpty)
        var loop = try Loop(settings), random = RandomSource(seed: 3), asker = Pole("asker", &random), shares: [Double] = []
        for _ in 0..<640 {
            loop.now = Instant(nanoseconds: loop.now.nanoseconds + 1_000_000)
            try asker.observe(&loop)
            for _ in 0..<3 { try loop.tick() }
            let action = try #require(loop.takeActions().first)
            #expect(!action.tokens.isEmpty && action.tokens.count <= 5 && action.logProbability < 0)
            shares.append(Double(action.tokens.count { $0 < 128 }) / Double(action.tokens.count))
            try asker.sendReward(for: action, reward: shares[shares.count - 1], &loop)
        }
        let first = shares.prefix(64).reduce(0, +) / 64, last = shares.suffix(64).reduce(0, +) / 64
        #expect(abs(first - 0.5) < 0.15 && last > first + 0.25, "\(first), then \(last)")
        #expect(loop.refused.isEmpty && loop.learnGauges["decisionsTold"] == 640 && loop.learnGauges["policyVersion"] == 40)
        #expect((loop.learnGauges["referenceDivergence"] ?? 0) > 0.1)
    }
}
