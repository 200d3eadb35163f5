import Files
import FilesTesting
import Foundation
import GGUF
import Layers
import Statistics
import Tensors
import Testing
import Tokenization
@testable import Model

/// Models in few bits.
@Suite struct CompressionTests {
    private let folder = Folder()

    private func llama(_ change: (inout LlamaConfiguration) -> Void = { _ in }) -> Llama {
        Llama(
            .tiny {
                ($0.vocabularySize, $0.positions, $0.width, $0.hidden, $0.headWidth) = (257, 64, 64, 96, 16)
                change(&$0)
            })
    }

    private var gpt2: GPT2 { GPT2(GPT2Configuration(vocabularySize: 257, positions: 64, width: 64, layers: 3, heads: 4)) }

    private func model(_ trunk: any Trunk, seed: UInt64 = 3) -> TrunkModel {
        var random = RandomSource(seed: seed)
        let store = trunk.initialStore(of: Float.self, using: &random)
        for i in store.values.indices { store.values[i] += Float(random.uniform() - 0.5) / 4 }
        return TrunkModel(trunk: trunk, parameters: store)
    }

    private func tokens(_ count: Int, seed: UInt64 = 9) -> [Int] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in random.uniform(below: 257) }
    }

    /// Rows of numbers that depend on each other.
    private func correlated(rows: Int, columns: Int, seed: UInt64) -> [Float] {
        var random = RandomSource(seed: seed), x = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            var common = Float(random.normal())
            for column in 0..<columns {
                common = 0.8 * common + 0.6 * Float(random.normal())
                x[row * columns + column] = common * (column % 7 == 0 ? 4 : 1)
            }
        }
        return x
    }

    private func moments(_ x: [Float], _ columns: Int) -> SecondMoments {
        let moments = SecondMoments([.head: columns])
        moments.begin(rows: x.count / columns)
        for index in 0..<3 { moments.observe(x, rows: x.count / columns, width: columns, at: .head, Share(index: index, of: 3)) }
        return moments
    }

    /// Σ over rows of (w − ŵ) H (w − ŵ)ᵀ, with H = xᵀ x.
    private func error(_ w: [Float], _ matrix: CompressedMatrix, _ x: [Float]) -> Double {
        var decoded = [Float](repeating: 0, count: w.count)
        decoded.withUnsafeMutableBufferPointer { matrix.decode(rows: 0..<matrix.rows, into: $0.baseAddress!) }
        let K = matrix.columns
        var sum = 0.0
        for row in 0..<matrix.rows {
            for sample in 0..<x.count / K {
                var difference: Float = 0
                for k in 0..<K { difference += (w[row * K + k] - decoded[row * K + k]) * x[sample * K + k] }
                sum += Double(difference * difference)
            }
        }
        return sum
    }

    @Test(arguments: [GGUFType.q8_0, .q5_0, .q4_0])
    func aBlockHoldsEveryCode(type: GGUFType) throws {
        let grid = try #require(BlockGrid(type)), count = grid.codes.count
        for start in stride(from: 0, to: count, by: 32) {
            let q = (0..<32).map { Int8(grid.codes.lowerBound + (start + $0 * 5) % count) }
            var block = [UInt8](repeating: 0, count: type.blockBytes), y = [Float](repeating: 0, count: 32)
            block.withUnsafeMutableBytes { grid.store(q, scale: 0.375, to: $0.baseAddress!) }
            GGUFTensor.decode(block, type, count: 32, into: &y)
            #expect(y == q.map { 0.375 * Float($0) })
        }
        #expect(BlockGrid(.q4_1) == nil && BlockGrid(.float16) == nil)
    }

    @Test func theFeedbackFactorisesTheMoments() {
        let K = 160, x = correlated(rows: 400, columns: K, seed: 4), H = moments(x, K)[.head]!
        let feedback = ErrorFeedback(H, columns: K, damping: 0.02), mean = (0..<K).reduce(0) { $0 + H[$1 * K + $1] } / Float(K)
        #expect(feedback.order.sorted() == Array(0..<K))
        for block in stride(from: 0, to: K, by: 32) { #expect(Set(feedback.order[block..<block + 32].map { $0 / 32 }).count == 1) }
        func U(_ i: Int, _ j: Int) -> Float { i == j ? 1 : feedback.U[i * K + j] }
        var worst: Float = 0
        for i in 0..<K {
            for j in i..<K {
                var sum: Float = 0
                for k in j..<K { sum += U(i, k) * feedback.D[k] * U(j, k) }
                let (a, b) = (feedback.order[i], feedback.order[j])
                worst = max(worst, abs(sum - H[min(a, b) * K + max(a, b)] - (i == j ? 0.02 * mean : 0)))
            }
        }
        #expect(worst < 1e-3 * mean)
    }

    /// Also where the inputs never vary in some directions, or never are anything but zero.
    @Test func feedbackOfDependentInputsIsFinite() {
        let K = 64, zeros = [Float](repeating: 0, count: 3 * K), one = (0..<K).map { Float($0) }
        for x in [zeros, one] {
            let feedback = ErrorFeedback(moments(x, K)[.head]!, columns: K, damping: 0.01)
            #expect((0..<K * K).allSatisfy { feedback.U[$0].isFinite } && feedback.D.allSatisfy { $0.isFinite && $0 > 0 })
        }
    }

    @Test(arguments: [GGUFType.q8_0, .q5_0, .q4_0])
    func feedbackLowersTheErrorOfProducts(type: GGUFType) throws {
        let K = 128, N = 70, x = correlated(rows: 500, columns: K, seed: 5), grid = try #require(BlockGrid(type))
        var random = RandomSource(seed: 6)
        let w = (0..<N * K).map { _ in Float(random.normal()) }
        let feedback = ErrorFeedback(moments(x, K)[.head]!, columns: K, damping: 0.01)
        let nearest = MatrixRounding.round(w, rows: N, columns: K, to: grid, feedback: nil, team: .solo)
        let better = MatrixRounding.round(w, rows: N, columns: K, to: grid, feedback: feedback, team: Team(count: 3))
        let alone = MatrixRounding.round(w, rows: N, columns: K, to: grid, feedback: feedback, team: .solo)
        #expect(error(w, better, x) < 0.5 * error(w, nearest, x))
        better.withUnsafeBytes { a in alone.withUnsafeBytes { b in #expect(a.elementsEqual(b)) } }
    }

    /// Numbers that a format can hold come back as they are, and the greatest ones do not overflow.
    @Test func whatAFormatHoldsStays() throws {
        let grid = try #require(BlockGrid(.q4_0)), q = (0..<64).map { $0 % 16 - 8 }
        let w = q.map { Float($0) * 0.25 } + [Float](repeating: 0, count: 64)
        var y = [Float](repeating: 1, count: 128)
        MatrixRounding.round(w, rows: 2, columns: 64, to: grid, feedback: nil, team: .solo).decode(rows: 0..<2, into: &y)
        #expect(y == w)
        let huge = (0..<64).map { Float($0 - 32) * 1e37 }
        MatrixRounding.round(huge, rows: 1, columns: 64, to: grid, feedback: nil, team: .solo).decode(rows: 0..<1, into: &y)
        #expect(y.allSatisfy { $0.isFinite })
    }

    /// One token after the other, and all at once, by several threads, which take different ways through the decoder.
    @Test func momentsDoNotDependOnTheSizeOfAPass() throws {
        for trunk in [llama(), gpt2] as [any Trunk] {
            let model = model(trunk), text = tokens(60), plan = trunk.decoding
            var widths: [ProjectionInputPlace: Int] = [.head: plan.width]
            for block in plan.blocks.indices {
                (widths[.attention(block)], widths[.output(block)]) = (plan.width, plan.heads * plan.headWidth)
                (widths[.expansion(block)], widths[.contraction(block)]) = (plan.width, plan.hidden)
            }
            let whole = SecondMoments(widths), single = SecondMoments(widths)
            let decoder = TextDecoder(trunk, model.parameters, team: Team(count: 3)), other = TextDecoder(trunk, model.parameters)
            decoder.read(text, stream: 0, observer: whole)
            for token in text { other.read([token], stream: 0, observer: single) }
            #expect(whole.count == 60 && single.count == 60)
            for (input, width) in widths {
                let (a, b) = (try #require(whole[input]), try #require(single[input]))
                var worst: Float = 0, greatest: Float = 0
                for i in 0..<width {
                    for j in i..<width {
                        worst = max(worst, abs(a[i * width + j] - b[i * width + j]))
                        greatest = max(greatest, abs(a[i * width + j]))
                    }
                }
                #expect(greatest > 0 && worst < 1e-4 * greatest, "\(input) of \(trunk.summary)")
            }
        }
    }

    /// The head's input is what the decoder gives out for a token.
    @Test func theHeadsMomentsAreThoseOfTheTrunksOutput() {
        let trunk = llama(), model = model(trunk), text = tokens(20), C = 64
        let moments = SecondMoments([.head: C]), decoder = TextDecoder(trunk, model.parameters),
            other = TextDecoder(trunk, model.parameters)
        decoder.read(text, stream: 0, observer: moments)
        var sum = [Float](repeating: 0, count: C)
        for token in text {
            other.advance([token])
            for (i, x) in other.hidden(of: 0).enumerated() { sum[i] += x * x }
        }
        for i in 0..<C { #expect(abs(moments[.head]![i * C + i] - sum[i]) < 1e-3 * sum[i]) }
    }

    private func logits(_ model: TrunkModel, _ ids: [Int]) -> [Float] {
        let graph = Graph<Float>.predicting(parameters: model.parameters)
        let text = model.trunk.languageModel(batch: 1, time: ids.count, in: graph)
        text.set([ids])
        graph.forward()
        return Array(text.logits.values)
    }

    private func difference(_ a: [Float], _ b: [Float]) -> Float {
        let norm = { (x: [Float]) in x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return norm(zip(a, b).map { $0 - $1 }) / norm(b)
    }

    /// A directory with a tokenizer of bytes.
    private func save(_ model: TrunkModel, _ name: String) throws -> String {
        let path = folder.path(name)
        try model.trunk.save(model.parameters, to: path)
        let words = (0..<257).map { #""\#($0 < 256 ? "<\($0)>" : "<|end|>")":\#($0)"# }.joined(separator: ",")
        try replaceFile(
            at: "\(path)/tokenizer.json",
            with:
                #"{"added_tokens":[],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{\#(words)},"#
                + #""merges":[]}}"#)
        return path
    }

    @Test(arguments: [GGUFType.q8_0, .q5_0, .q4_0])
    func theFileOfEveryFamilyComputesWhatWasCompressed(type: GGUFType) throws {
        let trunks: [any Trunk] = [
            gpt2, llama(), llama { $0.isTied = true }, llama { ($0.family, $0.hasInputBias) = (.qwen2, true) },
        ]
        for (n, trunk) in trunks.enumerated() {
            let model = model(trunk), path = try save(model, "\(n)"), ids = tokens(50)
            let small = ModelCompression(projections: type, tables: .q8_0).compress(model, calibration: tokens(300), team: Team(count: 2))
            try small.save(to: "\(path).gguf", origin: path)
            let store = ParameterStore<Float>(ParameterLayout(trunk.parameters, frozen: small.matrices))
            for parameter in store.layout.parameters { _ = store[parameter.name].update(fromContentsOf: model.parameters[parameter.name]) }
            let kept = logits(TrunkModel(trunk: trunk, parameters: store), ids)
            #expect(difference(logits(try TrunkModel(path: "\(path).gguf"), ids), kept) < 1e-5)
            #expect(difference(logits(try TrunkModel(path: "\(path).gguf", storage: .stored), ids), kept) < 1e-5)
            #expect(difference(kept, logits(model, ids)) < (type == .q8_0 ? 0.02 : 0.4))
            let file = try GGUFFile(mapping: "\(path).gguf")
            #expect(file["blk.1.ffn_down.weight"]?.type == type && file["blk.0.attn_output.weight"]?.type == type)
            #expect(file["token_embd.weight"]?.type == .q8_0 && file["output_norm.weight"]?.type == .float32)
            #expect(file.metadata["general.file_type"] == .integer(type == .q8_0 ? 7 : type == .q5_0 ? 8 : 2))
        }
    }

    /// Parts are calibrated on what those before them compute, which leaves the last layer's error no greater than one part for all.
    @Test func theNumberOfPartsAndTheMemoryAreBounded() {
        let model = model(llama()), text = tokens(200)
        var compression = ModelCompression(projections: .q4_0, tables: .q8_0)
        (compression.parts, compression.momentsLimit) = (1, 1)
        let tight = compression.compress(model, calibration: text)
        (compression.parts, compression.momentsLimit) = (2, 1 << 30)
        let two = compression.compress(model, calibration: text)
        for (name, matrix) in tight.matrices {
            matrix.withUnsafeBytes { a in two.matrices[name]!.withUnsafeBytes { b in #expect(a.elementsEqual(b), "\(name)") } }
        }
    }

    @Test func matricesWithoutWholeBlocksStayAsTheyAre() throws {
        let model = model(llama { ($0.width, $0.heads, $0.groups, $0.hidden) = (40, 4, 2, 96) }), path = try save(model, "odd")
        try ModelCompression(projections: .q4_0, tables: .q4_0).compress(model).save(to: "\(path).gguf", origin: path)
        let file = try GGUFFile(mapping: "\(path).gguf")
        #expect(file["blk.0.ffn_down.weight"]?.type == .q4_0 && file["blk.0.ffn_up.weight"]?.type == .float16)
        #expect(file["token_embd.weight"]?.type == .float16)
        #expect(difference(logits(try TrunkModel(path: "\(path).gguf"), tokens(20)), logits(model, tokens(20))) < 0.3)
    }

    // MARK: Texts

    private struct Bytes: Tokenizer {
        let vocabularySize = 257
        let endOfText: Int? = nil
        func encode(_ text: [UInt8]) -> [Int] { text.map { Int($0) } }
        func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8] { tokens.map { UInt8($0) } }
    }

    @Test func aTextIsCalibratedOnAndScoredInDifferentParts() throws {
        let bytes = (0..<1_000).map { UInt8($0 * $0 % 128) }
        let all = try CompressionText(bytes, Bytes(), tokenLimit: 10_000, piece: 64, heldOutLimit: 10_000)
        #expect(all.calibration == bytes[..<800].map(Int.init) && all.heldOut == bytes[800...].map(Int.init) && all.heldOutBytes == 200)
        let some = try CompressionText(bytes, Bytes(), tokenLimit: 200, piece: 50, heldOutLimit: 30)
        #expect(some.calibration == [0, 250, 500, 750].flatMap { bytes[$0..<$0 + 50].map(Int.init) })
        #expect(some.heldOut == bytes[800..<830].map(Int.init) && some.heldOutBytes == 30)
        let accented = try CompressionText(
            [UInt8](repeating: 0xC3, count: 1) + [0xA9] + Array(String(repeating: "é", count: 500).utf8), Bytes(), tokenLimit: 10_000,
            piece: 64, heldOutLimit: 10_000)
        #expect(accented.heldOut.first == 0xC3)
        #expect(throws: CompressionText.Refusal.tooShort(bytes: 100)) {
            try CompressionText(Array(bytes[..<100]), Bytes(), tokenLimit: 10, piece: 5, heldOutLimit: 10)
        }
    }

    @Test func versionsHaveNames() throws {
        let both = try #require(CompressionTarget("pruned:0.25+int4/int8"))
        #expect(both.pruning?.fraction == 0.25 && both.compression == ModelCompression(projections: .q4_0, tables: .q8_0))
        let one = try #require(CompressionTarget("int5"))
        #expect(one.pruning == nil && one.compression == ModelCompression(projections: .q5_0, tables: .q5_0))
        let pruned = try #require(CompressionTarget("pruned:0.5"))
        #expect(pruned.pruning != nil && pruned.compression == nil)
        for name in [
            "", "+", "int3", "int4/", "int4/int8/int8", "pruned:1", "pruned:0", "pruned:nan", "pruned:0.1+", "int4+int4", "int4+pruned:0.1",
        ] {
            #expect(CompressionTarget(name) == nil, "\(name)")
        }
    }

    // MARK: Pruning

    @Test func theBestPredictionOfInputsIsThatOfLeastSquares() {
        // Inputs 1 and 3 are sums of inputs 0 and 2.
        var random = RandomSource(seed: 12), x: [Float] = []
        for _ in 0..<200 {
            let (a, b) = (Float(random.normal()), Float(random.normal()))
            x += [a, 2 * a - b, b, a + 3 * b]
        }
        let shares = leastSquares(moments(x, 4)[.head]!, 4, [3, 1], from: [0, 2], damping: 1e-9)
        for (share, expected) in zip((0..<4).map { shares[$0] }, [1, 3, 2, -1] as [Float]) { #expect(abs(share - expected) < 1e-3) }
    }

    /// Units that add nothing, and a head that adds nothing, are removed first, and then nothing changes.
    @Test func whatAddsNothingIsRemovedFirst() throws {
        for trunk in [llama { ($0.heads, $0.groups) = (4, 2) }, gpt2] as [any Trunk] {
            let model = model(trunk), plan = trunk.decoding
            for block in plan.blocks {
                for (p, silent) in [
                    (block.down, Set(stride(from: 0, to: plan.hidden, by: 3))), (block.output, Set(16..<32).union(32..<48)),
                ] {
                    guard p.name != block.output.name || trunk is Llama else { continue }
                    let W = model.parameters["\(p.name).weight"]
                    for output in 0..<p.allOutputs {
                        for input in silent { W[p.isInputsFirst ? input * p.allOutputs + output : output * p.inputs + input] = 0 }
                    }
                }
            }
            let smaller = try ModelPruning(fraction: trunk is Llama ? 0.5 : 0.25).prune(
                model, calibration: tokens(300), team: Team(count: 2))
            let kept = smaller.trunk.decoding
            #expect(kept.hidden < plan.hidden && smaller.parameters.layout.count < model.parameters.layout.count)
            if trunk is Llama { #expect(kept.heads == 2 && kept.headWidth == 16) }
            guard trunk is Llama == false else { continue }
            #expect(difference(logits(smaller, tokens(50)), logits(model, tokens(50))) < 1e-3)
        }
    }

    @Test func whatStaysTakesOverAndIsSaved() throws {
        let model = model(llama()), path = try save(model, "whole"), ids = tokens(60)
        var plain = ModelPruning(fraction: 0.34)
        plain.window = 32
        let blind = try plain.prune(model), seeing = try plain.prune(model, calibration: tokens(600))
        #expect(seeing.trunk.decoding.hidden == 64)
        let (without, with) = (difference(logits(blind, ids), logits(model, ids)), difference(logits(seeing, ids), logits(model, ids)))
        #expect(with < without)
        try seeing.trunk.save(seeing.parameters, to: "\(path).gguf", as: .gguf(.float16), origin: path)
        #expect(difference(logits(try TrunkModel(path: "\(path).gguf"), ids), logits(seeing, ids)) < 2e-3)
    }
}
