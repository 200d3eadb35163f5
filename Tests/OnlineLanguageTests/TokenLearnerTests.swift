import Foundation
import Memory
import Model
import Statistics
import Tensors
import Testing
@testable import OnlineLanguage

private let gpt2 = GPT2(GPT2Configuration(vocabularySize: 256, positions: 48, width: 16, layers: 1, heads: 2))

private let llama: Llama = {
    var configuration = LlamaConfiguration()
    (configuration.vocabularySize, configuration.positions, configuration.width, configuration.hidden) = (256, 4096, 16, 32)
    (configuration.layers, configuration.heads, configuration.groups, configuration.isTied) = (2, 4, 2, true)
    return Llama(configuration)
}()

private func parameters(_ trunk: some Trunk) -> ParameterStore<Float> {
    var generator = RandomSource(seed: 5)
    let store = ParameterStore<Float>(ParameterLayout(trunk.parameters))
    trunk.initialize(store, using: &generator)
    return store
}

private func learner(
    _ trunk: some Trunk = gpt2, learning: Bool = true, start: Int? = nil, _ change: (inout TokenLearner.Configuration) -> Void = { _ in }
) -> TokenLearner {
    var configuration = TokenLearner.Configuration()
    (configuration.context, configuration.fresh, configuration.rate) = (24, 8, 0.1)
    configuration.remembers = false
    change(&configuration)
    return TokenLearner(trunk, parameters: parameters(trunk), start: start, configuration, learning: learning)
}

private func bits(_ tokens: [Int], _ learner: TokenLearner) throws -> [Double] {
    try stride(from: 0, to: tokens.count, by: learner.fresh).map {
        try learner.read(tokens[$0..<min($0 + learner.fresh, tokens.count)]).bits
    }
}

@Suite struct TokenLearnerTests {
    let song = (0..<24).flatMap { _ in Array("row, row, row your boat\n".utf8).map(Int.init) }

    @Test(arguments: [gpt2, llama] as [any Trunk])
    func whatIsLearnedHelpsLater(trunk: any Trunk) throws {
        let learned = try bits(song, learner(trunk)), frozen = try bits(song, learner(trunk, learning: false))
        #expect(learned[0] == frozen[0], "nothing is learned before it is predicted")
        let late: Double = learned.suffix(10).reduce(0, +), frozenLate: Double = frozen.suffix(10).reduce(0, +)
        #expect(late < 0.8 * frozenLate)
        let untrained: Double = frozen.reduce(0, +) / Double(song.count)
        #expect(abs(untrained - 8) < 0.3, "an untrained model knows nothing")
    }

    @Test func aMemoryHelpsWithARepeatedText() throws {
        let without = try bits(song, learner(llama)), with = try bits(song, learner(llama) { $0.remembers = true })
        #expect(with.reduce(0, +) < 0.5 * without.reduce(0, +))
        let reader = learner(llama) { $0.remembers = true }
        let alone = try stride(from: 0, to: song.count, by: 8).map { try reader.read(song[$0..<$0 + 8]).bitsWithoutMemory }
        #expect(alone == without, "the memory does not change what the model learns")
    }

    /// The scopes, and how the rate of each compares.
    @Test(arguments: [("lora", 3.0), ("last:1", 0.1), ("head", 0.1)])
    func aPartOfTheModelLearns(scope: String, rate: Double) throws {
        let part = learner(llama) { ($0.scope, $0.rate) = (scope, rate) }
        let learned: Double = try bits(song, part).suffix(10).reduce(0, +)
        let frozen: Double = try bits(song, learner(llama, learning: false)).suffix(10).reduce(0, +)
        #expect(learned < frozen)
    }

    @Test func adaptersLeaveTheGivenParametersAlone() throws {
        let store = parameters(llama), before = store.copy()
        var configuration = TokenLearner.Configuration()
        (configuration.fresh, configuration.context, configuration.scope, configuration.rate) = (8, 24, "lora", 3)
        _ = try bits(song, TokenLearner(llama, parameters: store, start: nil, configuration))
        for parameter in store.layout.parameters { #expect(Array(store[parameter.name]) == Array(before[parameter.name])) }
    }

    /// Matrices that are stored in eight bits learn by adapters of the projections that are named.
    @Test func adaptersLearnBesideStoredMatrices() throws {
        let store = parameters(llama),
            frozen = llama.parameters.filter { $0.shape.count == 2 }.reduce(into: [String: any FrozenMatrix]()) {
                $0[$1.name] = EightBitMatrix(store[$1.name], shape: $1.shape, transposed: false)
            }
        let stored = ParameterStore<Float>(ParameterLayout(llama.parameters, frozen: frozen))
        for parameter in stored.layout.parameters { _ = stored[parameter.name].update(fromContentsOf: store[parameter.name]) }
        func late(_ rate: Double, _ targets: [String]) throws -> Double {
            var settings = TokenLearner.Configuration()
            (settings.fresh, settings.context, settings.scope, settings.rate, settings.targets) = (8, 24, "lora", rate, targets)
            settings.remembers = false
            return try bits(song, TokenLearner(llama, parameters: stored, start: nil, settings)).suffix(10).reduce(0, +)
        }
        let frozenLate = try late(0, []), usual = try late(3, []), down = try late(3, ["down_proj"])
        #expect(usual < frozenLate && down < frozenLate && usual != down)
    }

    @Test func anotherTextDoesNotAttendToTheOneBefore() throws {
        let frozen = learner(llama, learning: false, start: 3), alone = try bits(song, learner(llama, learning: false, start: 3))
        #expect(try bits(song, frozen) == alone)
        frozen.beginText()
        #expect(try bits(song, frozen) == alone)
        #expect(try bits(song, frozen) != alone, "a text that goes on does")
    }

    @Test func theCostsOfTokensAreTheirSum() throws {
        let reading = try learner(llama) { $0.remembers = true }.read(song.prefix(8))
        let sum: Double = reading.tokens.reduce(0, +)
        #expect(reading.tokens.count == 8 && sum == reading.bits && reading.tokens[0] == 8)
    }

    /// The cached context gives what one pass over the whole text gives, while nothing is learned and the text fits.
    @Test(arguments: [gpt2, llama] as [any Trunk])
    func aFrozenLearnerReadsLikeTheWholeModel(trunk: any Trunk) throws {
        let tokens = Array(song.prefix(33)), store = parameters(trunk)
        let graph = Graph<Float>.predicting(parameters: store)
        let whole = trunk.languageModel(batch: 1, time: 32, in: graph)
        whole.set(tokens[...], at: 0)
        graph.forward()
        let expected = whole.losses.values.reduce(0) { $0 + Double($1) } / log(2)
        let reader = learner(trunk, learning: false, start: tokens[0]) { $0.context = 40 }
        let read: Double = try bits(Array(tokens.dropFirst()), reader).reduce(0, +)
        #expect(abs(read - expected) < 1e-3)
    }

    @Test func replayedWindowsChangeWhatIsLearned() throws {
        let one = try bits(song, learner { $0.replays = 2 }), two = try bits(song, learner { $0.replays = 2 })
        #expect(one == two)
        #expect(try one != bits(song, learner { ($0.replays, $0.seed) = (2, 2) }))
        #expect(try one != bits(song, learner()))
    }

    @Test func withoutAStartTheFirstTokenIsPredictedUniformly() throws {
        #expect(try learner().read([65]).bits == 8)
        #expect(try learner(start: 0).read([65]).bits != 8)
        #expect(try learner().read([]).bits == 0)
    }

    @Test(arguments: [false, true])
    func aCostDoesNotDependOnTheFuture(remembers: Bool) throws {
        let other = song.prefix(80) + song.suffix(80).map { ($0 + 1) & 255 }
        let one = try bits(song, learner { $0.remembers = remembers })
        let two = try bits(Array(other), learner { $0.remembers = remembers })
        #expect(one[0..<10] == two[0..<10])
        #expect(one[10] != two[10])
    }

    @Test(arguments: [false, true])
    func theCostsOfAllTokensAreThoseOfADistribution(remembers: Bool) throws {
        let total = try (0..<256).reduce(0.0) { sum, token in
            let learner = learner(start: 7) { $0.remembers = remembers }
            for part in 0..<6 { _ = try learner.read(song[part * 8..<part * 8 + 8]) }
            return sum + exp2(-(try learner.read([token]).bits))
        }
        #expect(abs(total - 1) < 1e-4)
    }

    @Test func aRunRepeats() throws {
        let one = learner(llama) { $0.remembers = true }, two = learner(llama) { $0.remembers = true }
        #expect(try bits(song, one) == bits(song, two))
        #expect(one.memory?.state == two.memory?.state)
    }

    @Test func aTokenOutOfRangeIsRefused() throws {
        #expect(throws: TokenLearner.Refusal.outOfRange(token: 256, vocabularySize: 256)) { try learner().read([1, 256]) }
    }

    @Test func nonsenseSettingsAreRefusedByName() throws {
        #expect(throws: SettingsError("context", "is 0, not 1…65,536")) { try TokenLearner.Configuration(["context": 0]) }
        #expect(throws: SettingsError.self) { try TokenLearner.Configuration(["scope": "some"]) }
        #expect(throws: SettingsError.self) { try TokenLearner.Configuration(["memory": .object(["capacity": 0])]) }
        #expect(try TokenLearner.Configuration(["memory": .object(["capacity": 5])]).memory.capacity == 5)
        #expect(throws: SettingsError("memory", "is 0 MiB, not 1…65,536")) { try ByteLearner.Configuration(["memory": 0]) }
        #expect(throws: SettingsError.self) { try ByteLearner.Configuration(["memry": 5]) }
        #expect(try ByteLearner.Configuration(["memory": 5]).memory == 5)
    }
}
