import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import OnlineLanguage

private let tiny = GPT2(GPT2Configuration(vocabularySize: 256, positions: 24, width: 16, layers: 1, heads: 2))

private func parameters() -> ParameterStore<Float> {
    var generator = RandomSource(seed: 5)
    return tiny.initialStore(using: &generator)
}

private func learner(learning: Bool = true, start: Int? = nil) -> TokenLearner {
    var configuration = TokenLearner.Configuration()
    (configuration.window, configuration.fresh, configuration.rate) = (24, 8, 0.1)
    return TokenLearner(tiny, parameters: parameters(), start: start, configuration, learning: learning)
}

private func bits(_ tokens: [Int], _ learner: TokenLearner) throws -> [Double] {
    try stride(from: 0, to: tokens.count, by: learner.fresh).map {
        try learner.read(tokens[$0..<min($0 + learner.fresh, tokens.count)])
    }
}

@Suite struct TokenLearnerTests {
    let song = (0..<24).flatMap { _ in Array("row, row, row your boat\n".utf8).map(Int.init) }

    @Test func whatIsLearnedHelpsLater() throws {
        let learned = try bits(song, learner()), frozen = try bits(song, learner(learning: false))
        #expect(learned[0] == frozen[0], "nothing is learned before it is predicted")
        let late: Double = learned.suffix(10).reduce(0, +), frozenLate: Double = frozen.suffix(10).reduce(0, +)
        #expect(late < 0.6 * frozenLate)
        let untrained: Double = frozen.reduce(0, +) / Double(song.count)
        #expect(abs(untrained - 8) < 0.3, "an untrained model knows nothing")
    }

    @Test func withoutAStartTheFirstTokenIsPredictedUniformly() throws {
        #expect(try learner().read([65]) == 8)
        #expect(try learner(start: 0).read([65]) != 8)
        #expect(try learner().read([]) == 0)
    }

    @Test func aCostDoesNotDependOnTheFuture() throws {
        let other = song.prefix(80) + song.suffix(80).map { ($0 + 1) & 255 }
        let one = try bits(song, learner()), two = try bits(Array(other), learner())
        #expect(one[0..<10] == two[0..<10])
        #expect(one[10] != two[10])
    }

    @Test func theCostsOfAllTokensAreThoseOfADistribution() throws {
        let total = try (0..<256).reduce(0.0) { sum, token in
            let learner = learner(start: 7)
            _ = try learner.read(song[0..<8])
            return sum + exp2(-(try learner.read([token])))
        }
        #expect(abs(total - 1) < 1e-4)
    }

    @Test func aRunRepeats() throws {
        #expect(try bits(song, learner()) == bits(song, learner()))
    }

    @Test func aTokenOutOfRangeIsRefused() throws {
        #expect(throws: TokenLearner.Refusal.outOfRange(token: 256, vocabularySize: 256)) { try learner().read([1, 256]) }
    }

    @Test func nonsenseSettingsAreRefusedByName() throws {
        #expect(throws: SettingsError("window", "is 1, not 2…65,536")) { try TokenLearner.Configuration(["window": 1]) }
        #expect(throws: SettingsError("memory", "is 0 MiB, not 1…65,536")) { try ByteLearner.Configuration(["memory": 0]) }
        #expect(throws: SettingsError.self) { try ByteLearner.Configuration(["memry": 5]) }
        #expect(try ByteLearner.Configuration(["memory": 5]).memory == 5)
    }
}
