import FilesTesting
import Foundation
import GGUF
import Layers
import Statistics
import Tensors
import Testing
@testable import Model

/// The decoder computes what the recorded graph computes, for every family, and for every storage of the weights.
@Suite struct DecoderTests {
    /// A description of a trunk, and what is special about it.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let trunk: any Trunk

        init(_ name: String, _ trunk: any Trunk) { (testDescription, self.trunk) = (name, trunk) }
    }

    private static func gpt2(adapters: Adapters? = nil, _ change: (inout GPT2Configuration) -> Void = { _ in }) -> GPT2 {
        var c = GPT2Configuration(vocabularySize: 61, positions: 150, width: 24, layers: 2, heads: 3)
        change(&c)
        return GPT2(c, adapters: adapters)
    }

    private static func llama(adapters: Adapters? = nil, _ change: (inout LlamaConfiguration) -> Void = { _ in }) -> Llama {
        var c = LlamaConfiguration()
        (c.vocabularySize, c.positions, c.width, c.hidden, c.layers, c.heads, c.groups) = (61, 150, 24, 40, 2, 6, 2)
        change(&c)
        return Llama(c, adapters: adapters)
    }

    static let cases = [
        Case("gpt2", gpt2()),
        Case(
            "gpt2 with a head of its own, another activation and width",
            gpt2 { ($0.isTied, $0.activation, $0.hidden) = (false, .relu, 20) }),
        Case("gpt2 with adapters", gpt2(adapters: Adapters(rank: 3, alpha: 5, projections: ["c_attn", "mlp.c_proj"]))),
        Case("llama", llama()),
        Case("llama, tied, all heads of their own", llama { ($0.isTied, $0.groups) = (true, 6) }),
        Case("llama with wide heads and other frequencies", llama { ($0.headWidth, $0.rotaryScaling) = (10, .linear(factor: 3)) }),
        Case("mistral with a window", llama { ($0.family, $0.window) = (.mistral, 7) }),
        Case(
            "qwen2 with biases",
            llama { ($0.family, $0.hasInputBias, $0.hasOutputBias, $0.hasHiddenBias) = (.qwen2, true, true, true) }),
        Case(
            "llama with adapters",
            llama(adapters: Adapters(rank: 2, alpha: 3, projections: ["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"]))),
    ]

    /// Values large enough for distinct probabilities, in adapters and biases as well.
    static func parameters(_ trunk: any Trunk, seed: UInt64 = 4) -> ParameterStore<Float> {
        var random = RandomSource(seed: seed)
        let store = ParameterStore<Float>(trunk.layout)
        for i in store.values.indices { store.values[i] = Float(random.uniform() - 0.5) * 0.6 }
        return store
    }

    private static func tokens(_ count: Int, seed: UInt64 = 1) -> [Int] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in Int(random.uniform() * 61) }
    }

    /// The logits of every place, from the recorded graph.
    static func recorded(_ trunk: any Trunk, _ store: ParameterStore<Float>, _ tokens: [Int]) -> [[Float]] {
        let graph = Graph<Float>.predicting(parameters: store), V = trunk.vocabularySize
        let text = trunk.languageModel(batch: 1, time: tokens.count, in: graph)
        text.set([tokens])
        graph.forward()
        return (0..<tokens.count).map { Array(text.logits.values[$0 * V..<($0 + 1) * V]) }
    }

    /// The largest difference, as a part of the largest logit.
    static func difference(_ a: some Sequence<Float>, _ b: [Float]) -> Float {
        zip(a, b).reduce(0) { max($0, $1.0.isFinite ? abs($1.0 - $1.1) : .infinity) } / b.reduce(0) { max($0, abs($1)) }
    }

    private static func logits(_ decoder: TextDecoder, _ tokens: [Int], stream: Int = 0) -> [Float] {
        decoder.read(tokens.dropLast(), stream: stream)
        decoder.advance((0..<decoder.streams).map { $0 == stream ? tokens.last : nil })
        return Array(decoder.logits(of: stream))
    }

    @Test(arguments: cases, [1, 2])
    func everyFamilyIsDecodedAsItIsRecorded(_ test: Case, team: Int) {
        let store = Self.parameters(test.trunk), texts = [Self.tokens(130), Self.tokens(40, seed: 2)]
        let expected = texts.map { Self.recorded(test.trunk, store, $0) }
        let decoder = TextDecoder(test.trunk, store, streams: 2, team: Team(count: team))
        // Two streams, token by token; then one of them, many tokens at a time.
        for place in 0..<20 {
            decoder.advance(texts.map { $0[place] })
            for stream in 0..<2 { #expect(Self.difference(decoder.logits(of: stream), expected[stream][place]) < 3e-5) }
        }
        #expect(Self.difference(Self.logits(decoder, Array(texts[0][20...])), expected[0][129]) < 3e-5)
        decoder.advance([nil, texts[1][20]])
        #expect(Self.difference(decoder.logits(of: 1), expected[1][20]) < 3e-5)
    }

    @Test(arguments: cases)
    func eightBitsComeClose(_ test: Case) {
        let store = Self.parameters(test.trunk), tokens = Self.tokens(30)
        let expected = Self.recorded(test.trunk, store, tokens)
        let decoder = TextDecoder(test.trunk, store, precision: .int8)
        #expect(Self.difference(Self.logits(decoder, Array(tokens.prefix(5))), expected[4]) < 0.05)
        #expect(Self.difference(Self.logits(decoder, Array(tokens[5...])), expected[29]) < 0.05)
    }

    /// Fused matrices: the plan names parts of their rows.
    @Test func fusedProjectionsAreThoseOfTheirParts() {
        let trunk = Self.llama { $0.hasInputBias = true }, store = Self.parameters(trunk), tokens = Self.tokens(20)
        var plan = trunk.decoding
        var fused: [Parameter] = [], sources: [(name: String, parts: [String])] = []
        func fuse(_ name: String, _ parts: inout [DecodingPlan.Projection], bias: Bool) {
            let all = parts.reduce(0) { $0 + $1.allOutputs }, names = parts.map(\.name)
            var first = 0
            for i in parts.indices {
                parts[i].outputs = first..<first + parts[i].allOutputs
                first = parts[i].outputs.upperBound
                (parts[i].name, parts[i].allOutputs) = (name, all)
            }
            fused.append(Parameter("\(name).weight", [all, parts[0].inputs]))
            sources.append(("\(name).weight", names.map { "\($0).weight" }))
            guard bias else { return }
            fused.append(Parameter("\(name).bias", [all]))
            sources.append(("\(name).bias", names.map { "\($0).bias" }))
        }
        for (n, block) in plan.blocks.enumerated() {
            var attention = [block.query, block.key, block.value], mlp = [block.gate!, block.up]
            fuse("block.\(n).qkv", &attention, bias: true)
            fuse("block.\(n).gate_up", &mlp, bias: false)
            (plan.blocks[n].query, plan.blocks[n].key, plan.blocks[n].value) = (attention[0], attention[1], attention[2])
            (plan.blocks[n].gate, plan.blocks[n].up) = (mlp[0], mlp[1])
        }
        let used = Set(sources.flatMap(\.parts))
        let joined = ParameterStore<Float>(ParameterLayout(store.layout.parameters.filter { !used.contains($0.name) } + fused))
        for parameter in store.layout.parameters where !used.contains(parameter.name) {
            _ = joined[parameter.name].update(fromContentsOf: store[parameter.name])
        }
        for source in sources { _ = joined[source.name].update(fromContentsOf: source.parts.flatMap { Array(store[$0]) }) }
        let expected = Self.recorded(trunk, store, tokens)
        for precision in [DecodingPrecision.float32, .int8] {
            let decoder = TextDecoder(
                plan: plan, joined, streams: 1, prefixLimit: 0, contextLimit: nil, precision: precision, inOrder: false,
                team: .solo)
            #expect(Self.difference(Self.logits(decoder, tokens), expected[19]) < (precision == .int8 ? 0.05 : 3e-5))
        }
    }

    @Test(arguments: [gpt2() as any Trunk, llama()])
    func aPrefixIsSeenByItselfAndByAllTokens(trunk: any Trunk) {
        let store = Self.parameters(trunk), tokens = Self.tokens(9), P = 12, C = 24
        var random = RandomSource(seed: 3)
        let prefix = (0..<P * C).map { _ in Float(random.uniform() - 0.5) }
        let graph = Graph<Float>.predicting(parameters: store)
        let given = graph.input([P, C]), ids = graph.indices(tokens.count)
        given.set(prefix)
        ids.set(tokens)
        let embedded = trunk.embed(ids, batch: 1, firstPlace: 0, in: graph)
        let hidden = trunk.trunk(
            graph.concatenateRows([given, embedded]), batch: 1, prefix: P, keyMask: nil, recomputing: false, in: graph)
        let logits = trunk.logits(hidden, in: graph)
        graph.forward()
        let decoder = TextDecoder(trunk, store, prefixLimit: 15)
        decoder.read(prefix: prefix, stream: 0)
        #expect(Self.difference(Self.logits(decoder, tokens), Array(logits.values.suffix(61))) < 3e-5)
        #expect(Self.difference(decoder.hidden(of: 0), Array(hidden.values.suffix(C))) < 3e-5)
    }

    @Test func whatAStreamHasReadIsKeptAndTheRestForgotten() {
        let trunk = Self.llama(), store = Self.parameters(trunk), tokens = Self.tokens(100)
        let other = Array(tokens.prefix(30)) + [(tokens[30] + 1) % 61] + Self.tokens(19, seed: 9)
        let decoder = TextDecoder(trunk, store)
        decoder.read(tokens, stream: 0)
        #expect(decoder.continueStream(0, with: other) == 30)
        #expect(decoder.tokens == [other] && decoder.lengths == [50])
        decoder.advance([7])
        let continued = Array(decoder.logits(of: 0))
        decoder.forget(0)
        #expect(Self.difference(continued, Self.logits(decoder, other + [7])) < 3e-5)
        decoder.forget(0, after: 60)
        #expect(decoder.lengths == [51])
    }

    @Test func memoryForKeysGrowsWithUseUpToTheContext() {
        let trunk = Self.llama { $0.positions = 1 << 20 }, store = Self.parameters(trunk)
        let decoder = TextDecoder(trunk, store, contextLimit: 200)
        #expect(decoder.positions == 200)
        var capacities: [Int] = []
        for length in [1, 64, 65, 129] {
            decoder.continueStream(0, with: Self.tokens(length))
            capacities.append(decoder.caches[0].capacity)
        }
        #expect(capacities == [64, 64, 128, 208])
    }

    // MARK: Stored weights

    @Test func aSumThatIsNotFiniteIsNotHidden() {
        let trunk = Self.llama(), store = Self.parameters(trunk)
        let frozen = Self.eightBits(trunk, store)
        for value in [Float.nan, .infinity] {
            frozen.store["model.layers.1.input_layernorm.weight"][3] = value
            for count in [3, 20] {
                let decoder = TextDecoder(trunk, frozen.store, precision: .stored)
                #expect(Self.logits(decoder, Self.tokens(count)).contains { !$0.isFinite })
            }
        }
    }

    /// The parameters with all matrices in frozen blocks of eight bits, and all parameters with the decoded values.
    private static func eightBits(
        _ trunk: any Trunk, _ store: ParameterStore<Float>
    ) -> (store: ParameterStore<Float>, decoded: ParameterStore<Float>) {
        var matrices: [String: any FrozenMatrix] = [:]
        let decoded = store.copy()
        for parameter in store.layout.parameters where parameter.shape.count == 2 && !Adapters.contains(parameter) {
            let isInputsFirst = trunk is GPT2 && parameter.name.contains(".c_")
            let matrix = EightBitMatrix(store[parameter.name], shape: parameter.shape, transposed: isInputsFirst)
            matrices[parameter.name] = matrix
            var numbers = [Float](repeating: 0, count: parameter.count)
            matrix.decode(rows: 0..<matrix.rows, into: &numbers)
            for r in 0..<matrix.rows {
                for c in 0..<matrix.columns {
                    decoded[parameter.name][isInputsFirst ? c * matrix.rows + r : r * matrix.columns + c] = numbers[r * matrix.columns + c]
                }
            }
        }
        let rest = ParameterStore<Float>(ParameterLayout(store.layout.parameters, frozen: matrices))
        for parameter in rest.layout.parameters { _ = rest[parameter.name].update(fromContentsOf: store[parameter.name]) }
        return (rest, decoded)
    }

    @Test(arguments: cases, [1, 2])
    func frozenMatricesAreDecodedAsTheirNumbers(_ test: Case, team: Int) {
        let frozen = Self.eightBits(test.trunk, Self.parameters(test.trunk)), tokens = Self.tokens(30)
        let expected = Self.recorded(test.trunk, frozen.decoded, tokens)
        let decoder = TextDecoder(test.trunk, frozen.store, precision: .stored, team: Team(count: team))
        #expect(Self.difference(Self.logits(decoder, Array(tokens.prefix(3))), expected[2]) < 0.05)
        #expect(Self.difference(Self.logits(decoder, Array(tokens[3...])), expected[29]) < 0.05)
    }

    private let folder = Folder()

    /// A Llama in a GGUF file with matrices of one type, of random numbers.
    private func file(_ type: GGUFType) throws -> String {
        let path = folder.path("\(type).gguf")
        try GGUFWriter.llama(type, seed: 5).write(to: URL(filePath: path))
        return path
    }

    @Test(arguments: GGUFType.allCases, [1, 2])
    func everyStorageFormatIsDecodedAsItsNumbers(type: GGUFType, team: Int) throws {
        let path = try file(type), tokens = Self.tokens(40)
        let stored = try TrunkModel(path: path, storage: .stored), whole = try TrunkModel(path: path)
        #expect(stored.parameters.frozen.isEmpty == (type == .float32))
        let expected = Self.recorded(whole.trunk, whole.parameters, tokens)
        let decoder = TextDecoder(stored, team: Team(count: team))
        let limit: Float = [.float32, .float16, .bfloat16].contains(type) ? 3e-5 : 0.03
        for place in 0..<4 {
            decoder.advance([tokens[place]])
            #expect(Self.difference(decoder.logits(of: 0), expected[place]) < limit)
        }
        #expect(Self.difference(Self.logits(decoder, Array(tokens[4...])), expected[39]) < limit)
    }

    @Test func storedWeightsGiveEqualTextsEveryTime() throws {
        let opened = try TrunkModel(path: file(.q4_1), storage: .stored)
        let logits = [1, 2].flatMap { team in
            (0..<2).map { _ in Self.logits(TextDecoder(opened, team: Team(count: team)), Self.tokens(30)) }
        }
        #expect(logits[0] == logits[1] && logits[2] == logits[3])
    }
}

/// Writes small GGUF files.
struct GGUFWriter {
    private var header = Data("GGUF".utf8), contents = Data()

    private mutating func add<T: FixedWidthInteger>(_ number: T) { withUnsafeBytes(of: number.littleEndian) { header += Data($0) } }

    private mutating func add(_ text: String) {
        add(UInt64(text.utf8.count))
        header += Data(text.utf8)
    }

    private mutating func add(_ key: String, _ value: Int) {
        add(key)
        add(UInt32(4))
        add(UInt32(value))
    }

    private mutating func add(_ name: String, _ shape: [Int], _ type: GGUFType, _ bytes: Data) {
        add(name)
        add(UInt32(shape.count))
        for extent in shape.reversed() { add(UInt64(extent)) }
        add(type.rawValue)
        add(UInt64(contents.count))
        contents += bytes + Data(count: (32 - bytes.count % 32) % 32)
    }

    /// Random numbers of a type: of a block, with scales of about 1/100.
    private static func bytes(_ count: Int, _ type: GGUFType, _ random: inout RandomSource) -> Data {
        func half(_ size: Double) -> [UInt8] {
            let bits = Float16((0.5 + random.uniform()) * size * (random.uniform() < 0.5 ? -1 : 1)).bitPattern
            return [UInt8(bits & 255), UInt8(bits >> 8)]
        }
        var data = Data()
        for _ in 0..<count / type.blockCount {
            if type.blockCount == 1 {
                let number = Float(random.uniform() - 0.5) / 5
                switch type {
                case .float16: data += withUnsafeBytes(of: Float16(number).bitPattern) { Data($0) }
                case .bfloat16: data += withUnsafeBytes(of: UInt16(number.bitPattern >> 16)) { Data($0) }
                default: data += withUnsafeBytes(of: number.bitPattern) { Data($0) }
                }
                continue
            }
            var block = (0..<type.blockBytes).map { _ in UInt8(random.uniform() * 256) }
            switch type {
            case .q8_0: block.replaceSubrange(0..<2, with: half(0.0008))
            case .q4_0, .q5_0: block.replaceSubrange(0..<2, with: half(0.01))
            case .q6_K: block.replaceSubrange(208..<210, with: half(0.00002))
            case .q4_K, .q5_K:
                block.replaceSubrange(0..<2, with: half(0.0002))
                block.replaceSubrange(2..<4, with: half(0.002))
            default:
                block.replaceSubrange(0..<2, with: half(0.01))
                block.replaceSubrange(2..<4, with: half(0.08))
            }
            data += Data(block)
        }
        return data
    }

    /// A Llama of width 256 with 4 heads in 2 groups, 2 blocks and 61 tokens.
    static func llama(_ type: GGUFType, seed: UInt64) -> Data {
        var writer = GGUFWriter(), random = RandomSource(seed: seed)
        let C = 256, hidden = 512
        var tensors: [(String, [Int])] = [("token_embd.weight", [61, C]), ("output_norm.weight", [C])]
        for n in 0..<2 {
            tensors += [
                ("attn_norm", [C]), ("attn_q", [C, C]), ("attn_k", [C / 2, C]), ("attn_v", [C / 2, C]), ("attn_output", [C, C]),
                ("ffn_norm", [C]), ("ffn_gate", [hidden, C]), ("ffn_up", [hidden, C]), ("ffn_down", [C, hidden]),
            ].map { ("blk.\(n).\($0.0).weight", $0.1) }
        }
        writer.add(UInt32(3))
        writer.add(UInt64(tensors.count))
        writer.add(UInt64(7))
        writer.add("general.architecture")
        writer.add(UInt32(8))
        writer.add("llama")
        for (key, value) in [
            ("block_count", 2), ("context_length", 100), ("embedding_length", C), ("feed_forward_length", hidden),
            ("attention.head_count", 4), ("attention.head_count_kv", 2),
        ] { writer.add("llama.\(key)", value) }
        for (name, shape) in tensors {
            let kind = shape.count == 1 ? .float32 : type
            writer.add(name, shape, kind, bytes(shape.reduce(1, *), kind, &random))
        }
        writer.header += Data(count: (32 - writer.header.count % 32) % 32)
        return writer.header + writer.contents
    }
}
