import Statistics
import Tensors
import Testing
@testable import Model

/// A moment's answer continues its senses and its text exactly as the recorded graph predicts.
@Suite struct MomentDecoderTests {
    private static func model(_ fusion: String) throws -> MultimodalModel {
        var configuration = MultimodalConfiguration()
        configuration.fusion = fusion
        configuration.width = 16
        configuration.heads = 2
        configuration.senses = [
            .init(name: "image", rows: 4, columns: 6, hidden: 8), .init(name: "vector", rows: 1, columns: 3, hidden: 8),
        ]
        configuration.text.length = 12
        configuration.text.buckets = 16
        return try MultimodalModel(configuration)
    }

    private static func parameters(_ model: MultimodalModel, seed: UInt64) -> ParameterStore<Float> {
        var random = RandomSource(seed: seed)
        let store = model.initialStore(using: &random)
        for i in store.values.indices { store.values[i] *= 3 }
        return store
    }

    private let vector = SenseInput(rows: 1, columns: 3, values: [0.5, -1, 2])
    private let image = SenseInput(rows: 4, columns: 6, values: (0..<24).map { Float($0) / 24 })
    private var moments: [MomentInput] {
        [
            MomentInput(text: [104, 101, 121], senses: ["image": image, "vector": vector]),
            MomentInput(text: [97], senses: ["vector": vector]),
            MomentInput(text: [120, 121], senses: [:]),
        ]
    }

    /// −ln p of every token after the moment's words, from the recorded graph.
    private func cost(_ tokens: [Int], of moment: MomentInput, _ model: MultimodalModel, _ store: ParameterStore<Float>) -> Float {
        let graph = MultimodalGraph<Float>.predicting(model, parameters: store, batch: 1, languageRows: 1)
        var told = moment
        told.text += tokens
        graph.set(told, row: 0)
        graph.forward()
        return graph.prediction(row: 0).tokenNLL[moment.text.count]
    }

    @Test(arguments: ["early", "late", "attention", "co-attention"])
    func theVoiceComputesWhatTheGraphComputes(fusion: String) throws {
        let model = try Self.model(fusion), store = Self.parameters(model, seed: 4)
        let decoder = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 4)
        for moment in moments {
            let logits = decoder.firstLogits(moment, with: store).map(Double.init)
            let peak = logits.max() ?? 0
            let level = peak + Double.log(logits.reduce(0) { $0 + Double.exp($1 - peak) })
            for token in [0, 65, 255] {
                #expect(abs(level - logits[token] - Double(cost([token], of: moment, model, store))) < 1e-4)
            }
        }
    }

    private func answer(_ decoder: MomentDecoder, limit: Int = 100) -> [Int] {
        var tokens: [Int] = []
        while tokens.count < limit, let token = decoder.next() { tokens.append(token) }
        return tokens
    }

    /// The cache never mixes versions: an answer is finished with the old one although the store changes, or continues as if begun with
    /// the new one.
    @Test func anUpdateBetweenTokensIsAdoptedWholeOrNotAtAll() throws {
        let model = try Self.model("attention")
        let old = Self.parameters(model, seed: 4), newer = Self.parameters(model, seed: 5), moment = moments[0]
        let decoder = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 6)
        decoder.begin(moment, with: old, seed: 0)
        let plain = answer(decoder)
        #expect(plain.count == 6 && decoder.end == .length)

        let served = old.copy()
        decoder.begin(moment, with: served, seed: 0)
        let begun = answer(decoder, limit: 3)
        served.assign(from: newer)
        #expect(begun + answer(decoder) == plain)

        decoder.begin(moment, with: old, seed: 0)
        _ = answer(decoder, limit: 3)
        decoder.adopt(newer)
        let recomputed = answer(decoder)
        var told = moment
        told.text += begun
        let fresh = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 3)
        fresh.begin(told, with: newer, seed: 0)
        #expect(recomputed == answer(fresh))
        #expect(recomputed != Array(plain.suffix(3)))
    }

    @Test func anAnswerEndsWhereTheContextIsFullOrNumbersAreNotFinite() throws {
        let model = try Self.model("early"), store = Self.parameters(model, seed: 4)
        let decoder = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 100)
        decoder.begin(moments[0], with: store, seed: 0)
        #expect(answer(decoder).count == 12 - 3 && decoder.end == .context)
        decoder.begin(MomentInput(text: Array(repeating: 7, count: 12)), with: store, seed: 0)
        #expect(answer(decoder).isEmpty && decoder.end == .context)
        store["ln_f.bias"][3] = .nan
        decoder.begin(moments[1], with: store, seed: 0)
        #expect(decoder.next() == nil && decoder.hasFailed && !decoder.isGenerating)
    }

    /// A model that learns endings ends its answers where the learned texts end.
    @Test func endingsAreLearnedWhereTheConfigurationSaysSo() throws {
        var configuration = try Self.model("early").configuration
        configuration.text.endings = true
        let model = try MultimodalModel(configuration)
        var random = RandomSource(seed: 3)
        let store = model.initialStore(using: &random)
        let graph = MultimodalGraph(model, parameters: store, batch: 2, languageRows: 2)
        let words = [Array("red".utf8).map(Int.init), Array("green".utf8).map(Int.init)]
        let seen = [[1, 0, 0], [0, 1, 0] as [Float]].map { MomentInput(senses: ["vector": SenseInput(rows: 1, columns: 3, values: $0)]) }
        for row in 0..<2 {
            var told = seen[row]
            told.text = words[row]
            graph.set(told, row: row)
        }
        for _ in 0..<300 {
            graph.forward()
            graph.backward()
            for i in store.values.indices { store.values[i] -= 0.2 * graph.gradients.values[i] }
        }
        let decoder = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 10)
        for row in 0..<2 {
            decoder.begin(seen[row], with: store, seed: 0)
            #expect(answer(decoder) == words[row])
            #expect(decoder.end == .endOfText)
        }
    }
}
