import Foundation
import Pipeline
import Testing
@testable import Configuration

/// Random and mutated messages on every topic against every stage, through all steps: decoded, checked, processed, passed on.
///
/// `ACCRETE_FUZZ_MESSAGES=1000000` sets the number of messages of each test, `ACCRETE_FUZZ_SEED` the seed, and `ACCRETE_FUZZ_TRACE=FILE`
/// writes each message to FILE before it is processed: its last line is the one that stopped the program.
@Suite(.serialized)
struct FuzzTests {
    enum Graph: String, CaseIterable, Sendable {
        case live, lockstep, bandit, controls, personal

        var settings: GraphSettings {
            var settings = GraphSettings()
            settings.mode = self == .lockstep ? .lockstep : .live
            (settings.model.width, settings.model.heads, settings.model.layers, settings.model.classes) = (8, 2, 1, 4)
            settings.model.senses = [.init(name: "vector", rows: 1, columns: 4, embedding: 4, hidden: 8)]
            (settings.model.text.length, settings.model.text.buckets) = (8, 16)
            (settings.signals.vector.length, settings.signals.image.size, settings.signals.image.patch) = (4, 4, 4)
            (settings.learner.replayed, settings.learner.languageRows) = (1, 1)
            (settings.learn.publishEvery, settings.learn.labelPatience) = (4, 3)
            settings.fuse.explain = .marginal
            switch self {
            case .live, .lockstep: break
            case .bandit: (settings.decide.policy, settings.decide.choices, settings.decide.inputs) = ("bandit", 3, 4)
            case .controls:
                (settings.decide.policy, settings.decide.inputs) = ("ppo", 4)
                settings.decide.controls = [.init(), .init()]
                settings.decide.settings = ["batch": 16, "minibatch": 8]
            case .personal: (settings.personal.enabled, settings.learn.gate.enabled) = (true, true)
            }
            return settings
        }
    }

    /// The default number of messages of each test: some seconds, optimised.
    private static var messages: Int {
        #if DEBUG
            2_000
        #else
            12_000
        #endif
    }

    @Test(arguments: Graph.allCases)
    func noMessageStopsAStage(kind: Graph) throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["ACCRETE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        let trace = environment["ACCRETE_FUZZ_TRACE"].map { "\($0)-\(kind.rawValue)" }
        let problems = kind.settings.problems.map(\.problem)
        #expect(problems.isEmpty, "\(problems)")
        let limit = environment["ACCRETE_FUZZ_MESSAGES"].flatMap { Int($0) } ?? Self.messages
        var taken: [String: Int] = [:], sent = 0, life: UInt64 = 0
        // Stages that have received times at the end of their range refuse what comes after: new stages replace them.
        while sent < limit {
            var graph = try FuzzedGraph(kind.settings, seed: seed &* 1_000_000 &+ life, trace: trace)
            try graph.run(messages: min(Self.messagesOfALife, limit - sent))
            (sent, life) = (sent + graph.messages, life + 1)
            for station in graph.stations {
                taken[station.name, default: 0] += station.taken
                let endless = station.status().gauges.filter { !$0.value.isFinite }
                #expect(endless.isEmpty, "\(station.name), seed \(seed), life \(life): \(endless)")
            }
        }
        // A stage that refused everything would not be tested.
        #expect(taken.count == 6 && taken.values.allSatisfy { $0 > sent / 100 }, "\(taken)")
    }

    private static let messagesOfALife = 2_000
}
