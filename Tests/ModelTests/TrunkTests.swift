import Files
import FilesTesting
import Layers
import Statistics
import Tensors
import TensorsTesting
import Testing
@testable import Model

/// A small model of every family, with every kind of position, window, bias and head that configurations can give it.
let tinyTrunks: KeyValuePairs<String, any Trunk> = [
    "gpt2": GPT2(GPT2Configuration(vocabularySize: 11, positions: 8, width: 12, layers: 2, heads: 3)),
    "gpt2 with a separate head": {
        var configuration = GPT2Configuration(vocabularySize: 11, positions: 8, width: 12, layers: 2, heads: 3)
        (configuration.isTied, configuration.hidden, configuration.activation) = (false, 20, .relu)
        return GPT2(configuration)
    }(),
    "llama": Llama(.tiny { $0.isTied = true }),
    "llama, rotary scaling of Llama 3": Llama(
        .tiny { $0.rotaryScaling = .llama3(factor: 8, low: 1, high: 4, originalPositions: 4) }),
    "llama with biases and wide heads": Llama(
        .tiny { ($0.hasInputBias, $0.hasOutputBias, $0.hasHiddenBias, $0.headWidth) = (true, true, true, 6) }),
    "mistral with a window": Llama(.tiny { ($0.family, $0.window) = (.mistral, 3) }),
    "qwen2": Llama(.tiny { ($0.family, $0.hasInputBias, $0.rotaryScaling) = (.qwen2, true, .linear(factor: 2)) }),
]

extension LlamaConfiguration {
    static func tiny(_ change: (inout LlamaConfiguration) -> Void) -> LlamaConfiguration {
        var c = LlamaConfiguration()
        (c.vocabularySize, c.positions, c.width, c.hidden, c.layers, c.heads, c.groups) = (11, 8, 16, 20, 2, 4, 2)
        change(&c)
        return c
    }
}

/// All projections, by the ends of their names.
private let everyProjection = [
    "c_attn", "c_proj", "c_fc", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
]

@Suite struct TrunkTests {
    private let folder = Folder()

    /// The loss of two sequences, one shorter than the other.
    private struct Loss<T: Trunk>: Composition {
        let name: String
        let trunk: T
        var frozen: [String: any FrozenMatrix] = [:]
        var parameters: [Parameter] { trunk.parameters.filter { frozen[$0.name] == nil } }

        func record<S: Scalar>(in graph: Graph<S>) -> Tensor<S> {
            let text = trunk.languageModel(batch: 2, time: 6, in: graph)
            text.set([[1, 2, 3, 4, 1, 2, 5], [6, 7, 6]])
            return text.loss
        }
    }

    private func expectExactGradients(_ name: String, _ trunk: some Trunk, frozen: [String: any FrozenMatrix] = [:]) {
        let check = GradientCheck(Loss(name: name, trunk: trunk, frozen: frozen))
        #expect(check.gradientError < 1e-11, "\(name)")
        #expect(check.hessianAsymmetry < 1e-10, "\(name)")
        #expect(check.floatError < 1e-3, "\(name)")
        #expect(check.isRepeatable, "\(name)")
    }

    private static func store(_ trunk: some Trunk, seed: UInt64 = 5) -> ParameterStore<Float> {
        var random = RandomSource(seed: seed)
        let store = trunk.initialStore(of: Float.self, using: &random)
        // Norms and biases differ from ones and zeros, and adapters have an effect.
        for i in store.values.indices { store.values[i] += Float(random.uniform() - 0.5) / 8 }
        return store
    }

    private func losses(_ model: TrunkModel) -> [Float] {
        let graph = Graph<Float>.predicting(parameters: model.parameters)
        let text = model.trunk.languageModel(batch: 1, time: 7, in: graph)
        text.set([[1, 2, 3, 4, 1, 2, 5, 9]])
        graph.forward()
        return Array(text.losses.values)
    }

    private func expectClose(_ a: [Float], _ b: [Float], _ tolerance: Float, _ name: String) {
        #expect(zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }, "\(name): \(a) \(b)")
    }

    @Test func everyFamilyDifferentiatesExactlyWithAndWithoutAdapters() {
        for (name, trunk) in tinyTrunks {
            expectExactGradients(name, trunk)
            let adapters = Adapters(rank: 2, alpha: 3, projections: everyProjection)
            expectExactGradients("\(name), adapters", trunk.adapted(by: adapters))
        }
    }

    /// The frozen matrices of a trunk as floats, outputs first.
    private func matrices(_ trunk: any Trunk, _ store: ParameterStore<Float>) -> [String: any FrozenMatrix] {
        var frozen: [String: any FrozenMatrix] = [:]
        for parameter in trunk.parameters where parameter.shape.count == 2 {
            let numbers = Array(store[parameter.name]), (rows, columns) = (parameter.shape[0], parameter.shape[1])
            if case .projection = trunk.role(of: parameter), trunk.storesInputsFirst {
                let transposed = (0..<numbers.count).map { numbers[$0 % rows * columns + $0 / rows] }
                frozen[parameter.name] = FloatMatrix(transposed, rows: columns, columns: rows)
            } else {
                frozen[parameter.name] = FloatMatrix(numbers, rows: rows, columns: columns)
            }
        }
        return frozen
    }

    @Test func aFrozenModelComputesTheSameAndItsAdaptersDifferentiateExactly() {
        for (name, trunk) in tinyTrunks {
            let store = Self.store(trunk), frozen = matrices(trunk, store)
            let rest = ParameterStore<Float>(ParameterLayout(trunk.parameters, frozen: frozen))
            for parameter in rest.layout.parameters { _ = rest[parameter.name].update(fromContentsOf: store[parameter.name]) }
            let whole = TrunkModel(trunk: trunk, parameters: store), part = TrunkModel(trunk: trunk, parameters: rest)
            expectClose(losses(part), losses(whole), 1e-5, name)
            expectExactGradients(
                "\(name), frozen", trunk.adapted(by: Adapters(rank: 2, alpha: 3, projections: everyProjection)), frozen: frozen)
        }
    }

    @Test func everyParameterHasARole() {
        for (name, trunk) in tinyTrunks {
            let adapted = trunk.adapted(by: Adapters(rank: 2, alpha: 3, projections: everyProjection))
            for parameter in adapted.parameters { #expect(adapted.role(of: parameter) != nil, "\(name): \(parameter.name)") }
            #expect(trunk.projections.count == trunk.layers * (trunk.storesInputsFirst ? 4 : 7), "\(name)")
            let count = { (scope: LearningScope) in adapted.parameters.filter { scope.learns($0, in: adapted) }.count }
            #expect(count(.adapters) == 2 * trunk.projections.count && count(.all) == adapted.parameters.count)
            let last = trunk.parameters.filter { LearningScope.lastBlocks(1).learns($0, in: trunk) }.map(\.name)
            #expect(last.allSatisfy { $0.contains(".1.") || $0.contains("norm") || $0.contains("ln_f") }, "\(name): \(last)")
            #expect(
                trunk.parameters.filter { LearningScope.headAndNorms.learns($0, in: trunk) }.contains { $0.shape == [11, trunk.width] })
        }
        #expect(tinyTrunks[0].value.role(of: Parameter("stranger", [1])) == nil)
    }

    @Test func whatIsSavedOpensToTheBitAndMergedAdaptersComputeTheSame() throws {
        for (name, trunk) in tinyTrunks {
            let adapters = Adapters(rank: 2, alpha: 3, projections: everyProjection), adapted = trunk.adapted(by: adapters)
            let store = Self.store(adapted), model = folder.path("\(name)"), peft = folder.path("\(name) adapters")
            try adapted.save(store, to: model)
            try adapters.save(store, of: adapted, to: peft, base: model)
            let opened = try TrunkModel(path: model)
            #expect(opened.trunk.summary == trunk.summary, "\(name)")
            for parameter in trunk.parameters {
                #expect(opened.parameters[parameter.name].elementsEqual(store[parameter.name]), "\(name): \(parameter.name)")
            }
            let (found, numbers) = try Adapters.open(directory: peft, for: opened.trunk)
            for parameter in numbers.layout.parameters { #expect(numbers[parameter.name].elementsEqual(store[parameter.name])) }
            found.merge(numbers, into: opened.parameters, inputsFirst: opened.trunk.storesInputsFirst)
            expectClose(losses(opened), losses(TrunkModel(trunk: adapted, parameters: store)), 1e-4, name)
        }
    }

    @Test func eightBitsAreWithinHalfAStepOfTheNumbers() throws {
        for isTransposed in [false, true] {
            let shape = isTransposed ? [70, 3] : [3, 70]
            let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: 210)
            defer { numbers.deallocate() }
            for i in 0..<210 { numbers[i] = Float(i % 17) / 16 - Float(i % 5) }
            let matrix = EightBitMatrix(numbers, shape: shape, transposed: isTransposed)
            #expect(matrix.rows == 3 && matrix.columns == 70 && matrix.bytes == 3 * 3 * 34)
            var decoded = [Float](repeating: 0, count: 140)
            decoded.withUnsafeMutableBufferPointer { matrix.decode(rows: 1..<3, into: $0.baseAddress!) }
            for row in 1..<3 {
                for column in 0..<70 {
                    let number = isTransposed ? numbers[column * 3 + row] : numbers[row * 70 + column]
                    #expect(abs(decoded[(row - 1) * 70 + column] - number) <= 4 / 127 / 2 * 1.01)
                }
            }
        }
    }

    @Test func aModelInEightBitsScoresAlmostTheSame() throws {
        for (name, trunk) in tinyTrunks {
            let path = folder.path("eight bits of \(name)"), store = Self.store(trunk)
            try trunk.save(store, to: path)
            let opened = try TrunkModel(path: path, storage: .int8)
            #expect(opened.parameters.frozen.count == trunk.parameters.filter { $0.shape.count == 2 }.count)
            expectClose(losses(opened), losses(TrunkModel(trunk: trunk, parameters: store)), 0.02, name)
        }
    }

    /// Sequences without padding give the same outputs as with padding, in every family that can have a prefix.
    @Test func packedSequencesReadTheSame() {
        for (name, trunk) in tinyTrunks where !name.contains("window") { expectPackedTheSame(name, trunk) }
    }

    private func expectPackedTheSame(_ name: String, _ trunk: some Trunk) {
        let store = Self.store(trunk), C = trunk.width, lengths = [4, 0, 6], prefix = 2, longest = 6
        let packed = Graph<Float>.predicting(parameters: store), sequences = PackedSequences(3, longest: longest)
        let ids = packed.indices(along: sequences.rows), places = packed.indices(along: sequences.rows)
        let mask = packed.example([3, longest])
        mask.fill(1)
        let y = trunk.trunk(trunk.embed(ids, at: places, in: packed), packing: sequences, prefix: prefix, keyMask: mask, in: packed)
        sequences.set { lengths[$0] }
        for i in 0..<sequences.rows.count {
            (ids[i], places[i]) = (i % 9, i < lengths[0] ? i : i - lengths[0])
        }
        packed.forward()
        for (b, length) in lengths.enumerated() where length > 0 {
            let alone = Graph<Float>.predicting(parameters: store), start = sequences.start(b)
            let tokens = alone.indices((0..<length).map { (start + $0) % 9 })
            let x = trunk.embed(tokens, batch: 1, firstPlace: 0, in: alone)
            let expected = trunk.trunk(x, batch: 1, prefix: prefix, keyMask: nil, recomputing: false, in: alone)
            alone.forward()
            expectClose(Array(y.values[start * C..<(start + length) * C]), Array(expected.values), 1e-5, name)
        }
    }
}
