import Foundation
import Statistics
import Tensors
import Testing
@testable import Model

@Suite struct PerplexityTests {
    private let tokens: [Int]

    init() {
        var random = RandomSource(seed: 8)
        tokens = (0..<30).map { _ in random.uniform(below: 11) }
    }

    private func model(positions: Int) -> (GPT2, ParameterStore<Float>) {
        var random = RandomSource(seed: 3)
        let model = GPT2(GPT2Configuration(vocabularySize: 11, positions: positions, width: 8, layers: 2, heads: 2))
        let store = model.initialStore(of: Float.self, using: &random)
        for i in store.values.indices { store.values[i] *= 8 }
        return (model, store)
    }

    /// −ln p of the last token, given the others.
    private func cost(_ window: ArraySlice<Int>, _ model: GPT2, _ store: ParameterStore<Float>) -> Double {
        let graph = Graph<Float>.predicting(parameters: store)
        let text = model.languageModel(batch: 1, time: window.count - 1, in: graph)
        text.set(window, at: 0)
        graph.forward()
        return Double(text.losses.values[window.count - 2])
    }

    @Test(arguments: [1, 2, 5, 8, 9, 10])
    func everyTokenButTheFirstIsScoredOnceWithTheContextOfItsWindow(stride: Int) throws {
        let (model, store) = model(positions: 10)
        var sum = 0.0, windows = 0
        for token in 1..<tokens.count {
            // The first window that reaches the token; one that would begin with it begins a token earlier.
            var window = 0, end = 1
            while true {
                let start = min(window * stride, end - 1), newEnd = min(start + 10, tokens.count)
                if token < newEnd {
                    sum += cost(tokens[start...token], model, store)
                    windows = max(windows, window)
                    break
                }
                end = newEnd
                window += 1
            }
        }
        let score = try Perplexity(of: tokens, bytes: 60, model: model, parameters: store, stride: stride)
        #expect(score.tokens == 29)
        #expect(abs(score.nll - sum / 29) < 1e-5, "\(score.nll), \(sum / 29), \(windows)")
        #expect(abs(score.bitsPerByte - score.nll / log(2) / 2) < 1e-12)
    }

    @Test func aModelOfOnePositionTellsEachTokenFromTheOneBefore() throws {
        let (model, store) = model(positions: 1)
        let sum = (1..<tokens.count).reduce(0.0) { $0 + cost(tokens[$1 - 1...$1], model, store) }
        let score = try Perplexity(of: tokens, bytes: 30, model: model, parameters: store, stride: 1)
        #expect(score.tokens == 29 && abs(score.nll - sum / 29) < 1e-5)
    }

    @Test func aTextOfOneTokenOrOfStrangersIsRefused() {
        let (model, store) = model(positions: 10)
        #expect(throws: Perplexity.Refusal.self) { try Perplexity(of: [1], bytes: 1, model: model, parameters: store, stride: 1) }
        #expect(throws: Perplexity.Refusal.self) { try Perplexity(of: [1, 11], bytes: 2, model: model, parameters: store, stride: 1) }
    }
}
