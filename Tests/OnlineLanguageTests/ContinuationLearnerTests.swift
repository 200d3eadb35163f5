import Foundation
import Layers
import Model
import Statistics
import Tensors
import Testing
@testable import OnlineLanguage

@Suite struct ContinuationLearnerTests {
    private static let trunk: Llama = {
        var configuration = LlamaConfiguration()
        (configuration.vocabularySize, configuration.positions, configuration.width, configuration.hidden) = (64, 96, 16, 32)
        (configuration.layers, configuration.heads, configuration.groups, configuration.isTied) = (2, 4, 2, true)
        return Llama(configuration)
    }()

    private func learner(
        learning: Bool = true, _ change: (inout ContinuationLearner.Configuration) -> Void = { _ in }
    ) throws -> ContinuationLearner {
        var configuration = ContinuationLearner.Configuration()
        (configuration.window, configuration.rate, configuration.remembers) = (32, 0.02, false)
        change(&configuration)
        let trunk = learning ? Self.trunk.adapted(by: configuration.adapters(of: Self.trunk)) : Self.trunk
        let store = ParameterStore<Float>(ParameterLayout(trunk.parameters))
        Self.fill(store)
        return try ContinuationLearner(TrunkModel(trunk: trunk, parameters: store), configuration, learning: learning)
    }

    /// The same weights with and without adapters; embeddings are large, so that adapters can make any token likely.
    private static func fill(_ store: ParameterStore<Float>) {
        var random = RandomSource(seed: 5)
        for parameter in store.layout.parameters where !Adapters.contains(parameter) {
            let scale: Float = parameter.name.contains("embed") ? 2 : 0.4, isNorm = parameter.shape.count == 1
            for i in store[parameter.name].indices { store[parameter.name][i] = isNorm ? 1 : Float(random.uniform() - 0.5) * scale }
        }
    }

    /// A continuation counts on from the prompt's last token.
    private func counting(_ count: Int) -> [ContinuationLearner.Example] {
        (0..<count).map { index in
            let start = index * 7 % 40
            return .init(prompt: [60, start], continuation: (1...5).map { start + $0 }, end: 63)
        }
    }

    private func bits(_ examples: [ContinuationLearner.Example], _ learner: ContinuationLearner) throws -> [Double] {
        try examples.map { try learner.read($0).bits }
    }

    @Test func whatIsLearnedHelpsLater() throws {
        let examples = (0..<20).flatMap { _ in counting(3) }
        let learned = try bits(examples, learner()), frozen = try bits(examples, learner(learning: false))
        #expect(abs(learned[0] - frozen[0]) < 1e-3, "nothing is learned before it is predicted")
        let late: Double = learned.suffix(10).reduce(0, +), frozenLate: Double = frozen.suffix(10).reduce(0, +)
        #expect(late < 0.7 * frozenLate)
    }

    @Test func aMemoryHelpsWithWhatComesAgain() throws {
        let again = counting(3) + counting(3) + counting(3)
        func frozen(_ change: (inout ContinuationLearner.Configuration) -> Void) throws -> ContinuationLearner {
            try learner {
                $0.rate = 0
                change(&$0)
            }
        }
        let without = try bits(again, frozen { _ in }), with = try bits(again, frozen { $0.remembers = true })
        let late: Double = with.suffix(3).reduce(0, +), lateWithout: Double = without.suffix(3).reduce(0, +)
        #expect(late < 0.8 * lateWithout)
        let reader = try frozen { $0.remembers = true }
        #expect(try again.map { try reader.read($0).bitsWithoutMemory } == without)
    }

    /// A frozen learner gives what one pass over each example gives; the end is not counted.
    @Test func aFrozenLearnerReadsLikeTheWholeModel() throws {
        let graph = Graph<Float>.predicting(parameters: ParameterStore<Float>(ParameterLayout(Self.trunk.parameters)))
        Self.fill(graph.parameters)
        let whole = Self.trunk.languageModel(batch: 1, time: 6, in: graph), frozen = try learner(learning: false)
        for example in counting(4) {
            whole.set([example.prompt + example.continuation])
            graph.forward()
            let expected = whole.losses.values[1..<6].reduce(0) { $0 + Double($1) } / log(2)
            #expect(abs(try frozen.read(example).bits - expected) < 1e-3)
        }
    }

    @Test(arguments: [false, true])
    func aCostDoesNotDependOnWhatComesLater(remembers: Bool) throws {
        var other = counting(20)
        for index in 10..<20 { other[index].continuation = [1, 1, 2] }
        let one = try bits(counting(20), learner { $0.remembers = remembers }), two = try bits(other, learner { $0.remembers = remembers })
        #expect(one[..<10] == two[..<10])
        #expect(one[10] != two[10])
    }

    @Test(arguments: [false, true])
    func theCostsOfAllTokensAreThoseOfADistribution(remembers: Bool) throws {
        let total = try (0..<64).reduce(0.0) { sum, token in
            let learner = try learner { $0.remembers = remembers }
            for example in counting(6) { _ = try learner.read(example) }
            return sum + exp2(-(try learner.read(.init(prompt: [60, 3], continuation: [token])).bits))
        }
        #expect(abs(total - 1) < 1e-4)
    }

    @Test func whatDoesNotFitIntoTheWindowIsReadInParts() throws {
        let learner = try learner(), long = (0..<100).map { $0 % 50 }
        let reading = try learner.read(.init(prompt: long, continuation: long, end: 63))
        #expect(reading.bits > 100 && reading.bits.isFinite)
        #expect(try learner.read(.init(prompt: [1], continuation: [])).bits == 0)
    }

    @Test func settingsChangeWhatIsLearnedAndARunRepeats() throws {
        let plain = try bits(counting(20), learner())
        #expect(try bits(counting(20), learner()) == plain)
        let changes: [(inout ContinuationLearner.Configuration) -> Void] = [
            { $0.steps = 2 }, { $0.replays = 0 }, { $0.learnsPrompts = false }, { $0.rank = 2 }, { $0.seed = 2 }, { $0.kept = 1 },
            { $0.targets = ["q_proj"] },
        ]
        for change in changes { #expect(try bits(counting(20), learner(change)) != plain) }
    }

    @Test func aTokenOutOfRangeIsRefusedAndChangesNothing() throws {
        let one = try learner(), two = try learner()
        #expect(throws: TokenLearner.Refusal.outOfRange(token: 64, vocabularySize: 64)) {
            try one.read(.init(prompt: [1], continuation: [64]))
        }
        #expect(try bits(counting(3), one) == bits(counting(3), two))
    }

    @Test func nonsenseSettingsAreRefusedByName() throws {
        typealias Settings = ContinuationLearner.Configuration
        #expect(throws: SettingsError("steps", "is 0, not 1…1000")) { try Settings(["steps": 0]) }
        #expect(throws: SettingsError("rate", "is 2.0, not 0…1.0")) { try Settings(["rate": 2]) }
        #expect(throws: SettingsError.self) { try Settings(["window": 3]) }
        #expect(throws: SettingsError.self) { try Settings(["memory": .object(["capacity": 0])]) }
        #expect(throws: SettingsError.self) { try Settings(["stepz": 2]) }
        #expect(try Settings(["learns_prompts": false]).learnsPrompts == false)
    }
}
