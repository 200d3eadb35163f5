import CVector
import Statistics
import Tensors
import Testing
import Tokenization
@testable import Model

@Suite struct GenerationTests {
    let model = GPT2(GPT2Configuration(vocabularySize: 257, positions: 24, width: 32, layers: 2, heads: 4))
    let parameters: ParameterStore<Float>

    init() {
        parameters = Self.parameters(model, seed: 4)
    }

    /// Initial values large enough for distinct probabilities.
    private static func parameters(_ model: GPT2, seed: UInt64) -> ParameterStore<Float> {
        var random = RandomSource(seed: seed)
        let store = model.initialStore(of: Float.self, using: &random)
        for i in store.values.indices { store.values[i] *= 4 }
        return store
    }

    private func generation(
        _ prompts: [[Int]], _ settings: Generation.Settings = .init(), seed: UInt64 = 0, precision: DecodingPrecision = .float32,
        team: Int = 1
    ) throws -> Generation {
        let decoder = TextDecoder(model, parameters, streams: prompts.count, precision: precision, team: Team(count: team))
        return try Generation(decoder, ByteTokenizer(), prompts: prompts, settings, seed: seed)
    }

    private func settings(_ sampling: Sampling, tokens: Int = 12) -> Generation.Settings {
        var settings = Generation.Settings()
        settings.sampling = sampling
        settings.maximumTokens = tokens
        return settings
    }

    private func finish(_ generation: Generation) throws -> [Generation.Piece] {
        var pieces: [Generation.Piece] = []
        while let step = try generation.next() { pieces += step }
        return pieces
    }

    /// Logits of every place, from the recorded graph.
    private func recorded(_ tokens: [Int]) -> [[Float]] {
        let graph = Graph<Float>.predicting(parameters: parameters)
        let text = model.languageModel(batch: 1, time: tokens.count, in: graph)
        text.set(tokens[...], at: 0)
        graph.forward()
        return (0..<tokens.count).map { Array(text.logits.values[$0 * 257..<($0 + 1) * 257]) }
    }

    private func largestDifference(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Float {
        zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    @Test(arguments: [1, 2], [false, true])
    func theCacheComputesWhatTheGraphComputes(team: Int, inOrder: Bool) {
        let texts = [[7, 250, 3, 3, 99, 128, 7, 12], [1, 2, 3, 4, 5]]
        let decoder = TextDecoder(model, parameters, streams: 2, inOrder: inOrder, team: Team(count: team))
        for place in 0..<8 {
            let tokens = texts.map { place < $0.count ? $0[place] : nil }
            decoder.advance(tokens)
            for (stream, token) in tokens.enumerated() where token != nil {
                #expect(largestDifference(decoder.logits(of: stream), recorded(texts[stream])[place]) < 2e-5)
            }
        }
        decoder.forget(0)
        decoder.read(texts[0].dropLast(), stream: 0)
        decoder.advance([texts[0].last, nil])
        #expect(largestDifference(decoder.logits(of: 0), recorded(texts[0])[7]) < 2e-5)
    }

    @Test func eightBitsComeClose() {
        let tokens = [7, 250, 3, 3, 99, 128]
        let decoder = TextDecoder(model, parameters, precision: .int8)
        decoder.read(tokens.dropLast(), stream: 0)
        decoder.advance([tokens.last])
        let exact = recorded(tokens)[5]
        let spread = (exact.max() ?? 0) - (exact.min() ?? 0)
        #expect(largestDifference(decoder.logits(of: 0), exact) < 0.03 * spread)
    }

    @Test func greedyTakesTheLikeliestEveryTime() throws {
        let generation = try generation([[5, 6, 7]], settings(Sampling(temperature: 0)))
        let pieces = try finish(generation)
        #expect(pieces.count == 12)
        #expect(pieces.last?.end == .length)
        let tokens = generation.tokens(of: 0), logits = recorded(tokens)
        for place in 2..<tokens.count - 1 {
            #expect(logits[place].firstIndex(of: logits[place].max() ?? 0) == tokens[place + 1])
        }
    }

    @Test func aStreamIsTheSameAloneAndInABatch() throws {
        let settings = settings(Sampling(temperature: 1.3, topK: 40, topP: 0.9, repetitionPenalty: 1.2))
        let together = try generation([[9], [5, 6, 7], [1, 2]], settings, seed: 11)
        _ = try finish(together)
        let alone = try generation([[5, 6, 7]], settings, seed: 12)
        _ = try finish(alone)
        #expect(together.tokens(of: 1) == alone.tokens(of: 0))
        #expect(together.tokens(of: 0).count == 13)
    }

    @Test func aFullContextEndsAStream() throws {
        let pieces = try finish(generation([Array(0..<20)], settings(Sampling(temperature: 0), tokens: 100)))
        #expect(pieces.count == 5)
        #expect(pieces.last?.end == .context)
    }

    @Test func aStopSequenceEndsAStreamBeforeItself() throws {
        let plain = settings(Sampling(temperature: 0))
        let bytes = try finish(generation([[5, 6, 7]], plain)).flatMap(\.bytes)
        var stopping = plain
        stopping.stops = [Array(bytes[3...5]), [255, 255, 255, 255]]
        let first = bytes.indices.first { bytes[$0...].starts(with: bytes[3...5]) } ?? 3
        let pieces = try finish(generation([[5, 6, 7]], stopping))
        #expect(pieces.flatMap(\.bytes) == Array(bytes[..<first]))
        #expect(pieces.last?.end == .stop)
    }

    @Test func aTextEndsAtAnyOfTheModelsTokensAndNotAtTheTokenizers() throws {
        var settings = settings(Sampling(temperature: 0))
        let plain = try generation([[5, 6, 7]], settings)
        _ = try finish(plain)
        let added = Array(plain.added(to: 0))
        let end = try #require(added.indices.first { $0 >= 3 && !added[..<$0].contains(added[$0]) })
        settings.bounds = TextBounds(begin: nil, ends: [added[end], 300])
        let ended = try generation([[5, 6, 7]], settings)
        #expect(try finish(ended).last?.end == .endOfText)
        #expect(Array(ended.added(to: 0)) == Array(added[..<end]))
    }

    @Test func anEmptyPromptBeginsWithTheModelsTokenWhichIsNotAdded() throws {
        var settings = settings(Sampling(temperature: 0), tokens: 3)
        settings.bounds = TextBounds(begin: 7, ends: [])
        let generation = try generation([[]], settings)
        _ = try finish(generation)
        #expect(generation.tokens(of: 0).first == 7 && generation.added(to: 0).count == 3)
        settings.bounds = TextBounds(begin: nil, ends: [])
        #expect(throws: Generation.Refusal.emptyPrompt) { try self.generation([[]], settings) }
    }

    @Test func theStopThatIsCompleteFirstEndsTheText() {
        var finder = StopFinder(["abcd", "bc", ""].map { Array($0.utf8) })
        #expect(finder.pass(Array("xa".utf8)) == (Array("x".utf8), false))
        #expect(finder.pass(Array("bc".utf8)) == (Array("a".utf8), true))
        var split = StopFinder([Array("héllo".utf8)])
        #expect(split.pass([0x68, 0xC3]) == ([], false))
        #expect(split.pass([0xA9, 0x6C]) == ([], false))
        #expect(split.pass([0x6C, 0x6F, 0x21]) == ([], true))
        #expect(split.pass([0x68, 0xC3]) == ([], false) && split.flush() == [0x68, 0xC3])
    }

    @Test func anUpdateIsAdoptedWholeOrNotAtAll() throws {
        let newer = Self.parameters(model, seed: 5)
        func tokens(adopting adoption: Generation.Adoption) throws -> [Int] {
            var settings = settings(Sampling(temperature: 0), tokens: 8)
            settings.adoption = adoption
            let generation = try generation([[5, 6, 7]], settings)
            for _ in 0..<4 { _ = try generation.next() }
            generation.adopt(newer)
            _ = try finish(generation)
            return generation.tokens(of: 0)
        }
        let old = try generation([[5, 6, 7]], settings(Sampling(temperature: 0), tokens: 8))
        _ = try finish(old)
        #expect(try tokens(adopting: .finish) == old.tokens(of: 0))

        let begun = Array(old.tokens(of: 0).prefix(7))
        let decoder = TextDecoder(model, newer)
        let continued = try Generation(decoder, ByteTokenizer(), prompts: [begun], settings(Sampling(temperature: 0), tokens: 4), seed: 0)
        _ = try finish(continued)
        #expect(try tokens(adopting: .recompute) == continued.tokens(of: 0))
        #expect(continued.tokens(of: 0) != old.tokens(of: 0))
    }

    @Test func badPromptsAndSettingsAreRefused() {
        #expect(throws: Generation.Refusal.promptTooLong(tokens: 25, positions: 24)) { try generation([Array(0..<25)]) }
        #expect(throws: Generation.Refusal.outOfRange(token: 257, vocabularySize: 257)) { try generation([[257]]) }
        #expect(throws: Generation.Refusal.setting(key: "topP", "is 0.0; it must be above 0 and at most 1")) {
            try generation([[1]], settings(Sampling(topP: 0)))
        }
    }

    @Test func logitsThatAreNotFiniteEndInAnError() throws {
        parameters["ln_f.bias"][3] = .infinity
        let generation = try generation([[1]])
        #expect(throws: Generation.Refusal.notFinite) { try generation.next() }
    }
}

@Suite struct SamplingTests {
    private func counts(_ sampling: Sampling, _ logits: [Float], after history: [Int] = []) -> [Double] {
        var random = RandomSource(seed: 9)
        var counts = [Double](repeating: 0, count: logits.count)
        for _ in 0..<20_000 {
            var copy = logits
            let token = copy.withUnsafeMutableBufferPointer { sampling.token(from: $0, after: history, using: &random) }
            if let token { counts[token] += 1 / 20_000 }
        }
        return counts
    }

    private func near(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 0.012 } }

    /// p = 1/2, 1/4, 1/8, 1/8
    private let logits: [Float] = [3, 2, 1, 1].map { $0 * Float(0.693_147_18) }

    @Test func drawsFollowTheProbabilities() {
        #expect(near(counts(Sampling(), logits), [0.5, 0.25, 0.125, 0.125]))
        #expect(near(counts(Sampling(temperature: 0.5), logits), [16, 4, 1, 1].map { $0 / 22 }))
        #expect(counts(Sampling(temperature: 0), logits)[0] > 0.999)
    }

    @Test func onlyTheLikeliestRemain() {
        #expect(near(counts(Sampling(topK: 2), logits), [2.0 / 3, 1.0 / 3, 0, 0]))
        #expect(near(counts(Sampling(topP: 0.7), logits), [2.0 / 3, 1.0 / 3, 0, 0]))
        #expect(near(counts(Sampling(topP: 0.8), logits), [4.0 / 7, 2.0 / 7, 1.0 / 7, 0]))
        #expect(near(counts(Sampling(topK: 1, topP: 0.8), logits), [1, 0, 0, 0]))
    }

    @Test func whatWasThereBeforeBecomesLessLikely() {
        let penalized = counts(Sampling(repetitionPenalty: 3), logits, after: [0, 0])
        #expect(near(penalized, [2, 4, 2, 2].map { $0 / 10 }))
        let negative = counts(Sampling(repetitionPenalty: 2), logits.map { $0 - 4 * Float(0.693_147_18) }, after: [0])
        #expect(near(negative, [2, 2, 1, 1].map { $0 / 6 }))
    }

    @Test(arguments: [1, 15, 16, 31, 32, 100])
    func aProductOfRowsIsThePlainSum(columns: Int) {
        var random = RandomSource(seed: 3)
        let rows = 5, x = (0..<columns).map { _ in Float(random.uniform() - 0.5) }
        let transposed = (0..<rows * columns).map { _ in Float(random.uniform() - 0.5) }  // (columns, rows)
        let copy = transposed.withUnsafeBufferPointer {
            RowMatrix(copying: Matrix($0.baseAddress!, stride: rows), rows: rows, columns: columns)
        }
        var y = [Float](repeating: 1, count: rows)
        copy.multiply(x, into: &y, rows: 1..<rows)
        #expect(y[0] == 1)
        for row in 1..<rows {
            let sum = (0..<columns).reduce(Float(1)) { $0 + transposed[$1 * rows + row] * x[$1] }
            let baseline =
                1
                + (0..<columns).map { transposed[$0 * rows + row] }.withUnsafeBufferPointer {
                    CVectorDotFloatBaseline($0.baseAddress!, x, columns)
                }
            #expect(abs(y[row] - sum) < 1e-5 && abs(baseline - sum) < 1e-5, "\(y[row]), \(baseline), \(sum)")
        }
    }
}
