import FilesTesting
import Foundation
import Layers
import Model
import Safetensors
import Tensors
import TensorsTesting
import Testing

@Suite struct GPT2Tests {
    @Test(arguments: [
        TinyLanguageModel(isTied: true), TinyLanguageModel(isTied: false), TinyLanguageModel(isTied: true, hasAdapters: true),
        TinyLanguageModel(isTied: true, isRecomputed: true),
    ])
    fileprivate func aTinyGPTDifferentiatesExactly(model: TinyLanguageModel) {
        let check = GradientCheck(model)
        #expect(check.gradientError < 1e-12)
        #expect(check.hessianAsymmetry < 1e-12)
        #expect(check.floatError < 2e-5)
        #expect(check.isRepeatable)
    }

    /// Logits, loss and every gradient of an independent implementation, in single and double precision.
    @Test(.enabled(if: SharedData.isWanted("fixtures/gpt2-tiny"), "../shared/fixtures/gpt2-tiny is absent"))
    func logitsLossAndGradientsAgreeWithTransformers() throws {
        try agrees(Float.self, tolerance: 1e-5)
        try agrees(Double.self, tolerance: 1e-5)
    }

    private func agrees<S: Scalar>(_ scalar: S.Type, tolerance: Double) throws {
        let fixture = try Fixture(), model = GPT2(fixture.configuration)
        let store = ParameterStore<S>(model.layout)
        for parameter in model.parameters {
            let stored = try fixture.weights.tensor("transformer.\(parameter.name)", shape: parameter.shape)
            _ = store[parameter.name].update(fromContentsOf: try stored.doubles().map { S($0) })
        }
        let ids = try fixture.expected.tensor("input_ids")
        let graph = Graph(parameters: store, team: Team(count: 2))
        let text = model.languageModel(batch: ids.shape[0], time: ids.shape[1], in: graph)
        text.ids.set(try ids.integers())
        text.targets.set(try fixture.expected.tensor("labels").integers())
        graph.forward()
        graph.backward(from: text.loss)

        let logits = try fixture.expected.tensor("logits").doubles(), loss = try fixture.expected.tensor("loss").doubles()[0]
        #expect(abs(text.loss.value.primal - loss) < tolerance * loss)
        #expect(difference(text.logits.values.map(\.primal), logits) < tolerance)
        for parameter in model.parameters {
            let gradient = try fixture.expected.tensor("grad.transformer.\(parameter.name)").doubles()
            #expect(difference(graph.gradients[parameter.name].map(\.primal), gradient) < 5 * tolerance, "\(parameter.name)")
        }
    }

    @Test func oneTokenMoreThanThePlacesIsOnlyATarget() {
        let model = GPT2(GPT2Configuration(vocabularySize: 9, positions: 4, width: 4, layers: 1, heads: 1))
        let text = model.languageModel(batch: 2, time: 4, in: Graph(parameters: ParameterStore<Float>(model.layout)))
        text.set([[1, 2, 3, 4, 5], [6, 7]])
        #expect(text.ids.values.map { Int($0) } == [1, 2, 3, 4, 6, 7, 0, 0])
        #expect(text.targets.values.map { Int($0) } == [2, 3, 4, 5, 7, -100, -100, -100])
    }

    @Test func scopesNameWhatLearns() {
        let configuration = GPT2Configuration(vocabularySize: 9, positions: 4, width: 4, layers: 3, heads: 1)
        let names = { (scope: LearningScope) in
            GPT2(configuration).parameters.filter { scope.learns($0, in: GPT2(configuration)) }.map(\.name)
        }
        #expect(names(.lastBlocks(1)).first == "h.2.ln_1.weight" && names(.lastBlocks(1)).last == "ln_f.bias")
        #expect(names(.lastBlocks(1)).count == 14)
        #expect(names(.headAndNorms).count == 1 + 4 * 3 + 2)
        #expect(names(.all).count == GPT2(configuration).parameters.count)
    }

    /// Adapters have no effect at first, and merged weights compute the same as weights with separate adapters.
    @Test func adaptersMergeAndUnmerge() {
        let adapters = Adapters(rank: 2, alpha: 3, projections: ["c_attn", "mlp.c_proj"])
        let configuration = GPT2Configuration(vocabularySize: 9, positions: 5, width: 8, layers: 2, heads: 2)
        let model = GPT2(configuration, adapters: adapters), plain = GPT2(configuration)
        #expect(model.parameters.filter { LearningScope.adapters.learns($0, in: model) }.count == 2 * 2 * 2)
        var generator = SplitMix64(state: 4)
        let store = model.initialStore(of: Double.self, using: &generator), base = ParameterStore<Double>(plain.layout)
        for parameter in plain.parameters { _ = base[parameter.name].update(fromContentsOf: store[parameter.name]) }

        let logits = { (model: GPT2, store: ParameterStore<Double>) in
            let graph = Graph<Double>.predicting(parameters: store)
            let text = model.languageModel(batch: 1, time: 5, in: graph)
            text.set([[1, 2, 3, 4, 5]])
            graph.forward()
            return Array(text.logits.values)
        }
        #expect(logits(model, store) == logits(plain, base))

        for parameter in model.parameters where Adapters.contains(parameter) {
            store[parameter.name].fillNormal(deviation: 1, using: &generator)
        }
        let separate = logits(model, store), merged = store.copy()
        #expect(separate != logits(plain, base))
        adapters.merge(in: merged)
        #expect(difference(logits(model, merged), separate) < 1e-13)
        adapters.unmerge(store, in: merged)
        #expect(difference(Array(merged.values), Array(store.values)) < 1e-14)
    }

    /// Every position attends to the prefix tokens, and none to later text.
    @Test func thePrefixIsSeenByAllAndTheFutureByNone() {
        let configuration = GPT2Configuration(vocabularySize: 9, positions: 8, width: 8, layers: 2, heads: 2)
        let model = GPT2(configuration)
        var generator = SplitMix64(state: 3)
        let store = model.initialStore(of: Double.self, using: &generator)
        let graph = Graph<Double>.predicting(parameters: store)
        let x = graph.example([6, 8], seed: 5)
        let y = model.trunk(x, batch: 1, prefix: 2, in: graph)

        let changed = { (place: Int) in
            graph.forward()
            let before = Array(y.values)
            x.values[place * 8] += 1
            graph.forward()
            return (0..<6).filter { t in (0..<8).contains { y.values[t * 8 + $0] != before[t * 8 + $0] } }
        }
        #expect(changed(1) == [0, 1, 2, 3, 4, 5])
        #expect(changed(3) == [3, 4, 5])
    }
}

/// A GPT with two blocks over a batch of two, and a loss.
private struct TinyLanguageModel: Composition {
    let isTied: Bool
    var hasAdapters = false
    var isRecomputed = false

    var model: GPT2 {
        var configuration = GPT2Configuration(vocabularySize: 11, positions: 6, width: 8, layers: 2, heads: 2)
        configuration.isTied = isTied
        return GPT2(configuration, adapters: hasAdapters ? Adapters(rank: 2, alpha: 3, projections: ["c_attn", "c_fc"]) : nil)
    }
    var parameters: [Parameter] { model.parameters }

    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let text = model.languageModel(batch: 2, time: 5, recomputing: isRecomputed, in: graph)
        text.set([[1, 2, 3, 4, 5, 10], [6, 7, 6]])
        return text.loss
    }
}

/// Numbers made by PyTorch and transformers; `labels` are next-token targets already.
private struct Fixture {
    static let root = SharedData.path("fixtures/gpt2-tiny")

    let weights: TensorArchive, expected: TensorArchive
    let configuration = GPT2Configuration(vocabularySize: 131, positions: 24, width: 32, layers: 2, heads: 4)

    init() throws {
        weights = try TensorArchive(mapping: "\(Self.root)/model/model.safetensors")
        expected = try TensorArchive(mapping: "\(Self.root)/expected.safetensors")
    }
}

/// ‖a − b‖ / ‖b‖
private func difference(_ a: [Double], _ b: [Double]) -> Double {
    let square = { (x: [Double]) in x.reduce(0) { $0 + $1 * $1 } }
    return (square(zip(a, b).map { $0 - $1 }) / Swift.max(square(b), 1e-30)).squareRoot()
}
