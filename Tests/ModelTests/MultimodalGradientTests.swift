import Model
import Tensors
import TensorsTesting
import Testing

@Suite struct MultimodalGradientTests {
    @Test(arguments: fusions.map(\.key))
    func everyFusionDifferentiatesExactlyWithAnySensesMissing(_ fusion: String) throws {
        var configuration = MultimodalConfiguration.tiny
        configuration.fusion = fusion
        try expectExactGradients(EveryMask(model: MultimodalModel(configuration), name: fusion))
    }

    @Test(arguments: ["learned", "product", "mean"])
    func everyCombinationOfExpertsDifferentiatesExactly(_ combination: String) throws {
        var configuration = MultimodalConfiguration.tiny
        configuration.fusion = "late"
        configuration.combination = combination
        try expectExactGradients(EveryMask(model: MultimodalModel(configuration), name: combination))
    }

    @Test(arguments: encoders.map(\.key))
    func everyEncoderDifferentiatesExactlyWithRowsMissing(_ encoder: String) throws {
        var configuration = MultimodalConfiguration.tiny
        for index in configuration.senses.indices { configuration.senses[index].encoder = encoder }
        try expectExactGradients(EveryMask(model: MultimodalModel(configuration), name: encoder))
    }

    private func expectExactGradients(_ composition: EveryMask) {
        let check = GradientCheck(composition)
        #expect(check.gradientError < 1e-12, "\(composition.name)")
        #expect(check.hessianAsymmetry < 1e-11, "\(composition.name)")
        #expect(check.floatError < 1e-3, "\(composition.name)")
        #expect(check.isRepeatable, "\(composition.name)")
    }
}

/// The loss of a batch with one row for every subset of the modalities, two of them unlabelled.
private struct EveryMask: Composition {
    let model: MultimodalModel
    let name: String

    var parameters: [Parameter] { model.parameters }

    func record<S: Scalar>(in graph: Graph<S>) -> Tensor<S> {
        let names = model.configuration.modalities
        let subsets = 1 << names.count
        let recorded = MultimodalGraph(model, batch: subsets, languageRows: 3, in: graph)
        for subset in 0..<subsets {
            let hidden = names.indices.filter { subset >> $0 & 1 == 0 }.map { names[$0] }
            recorded.set(.example(subset), row: subset, hiding: Set(hidden))
        }
        return recorded.loss
    }
}

extension MultimodalConfiguration {
    /// Two senses and a text of six words, small enough for dual numbers.
    static var tiny: MultimodalConfiguration {
        var configuration = MultimodalConfiguration()
        configuration.width = 8
        configuration.layers = 1
        configuration.heads = 2
        configuration.joint = 10
        configuration.classes = 4
        configuration.senses = [
            Sense(name: "image", rows: 4, columns: 3, embedding: 5, hidden: 6),
            Sense(name: "audio", rows: 6, columns: 2, embedding: 4, hidden: 6, jitter: 1),
        ]
        configuration.text.length = 5
        configuration.text.vocabulary = 12
        configuration.text.words = 4
        configuration.text.buckets = 9
        return configuration
    }
}

extension MomentInput {
    /// A moment of `MultimodalConfiguration.tiny` made from a number; every third one is short, every fourth unlabelled.
    static func example(_ number: Int) -> MomentInput {
        var generator = SplitMix64(state: UInt64(number))
        let numbers = { (count: Int) in (0..<count).map { _ in Float.random(in: -1...1, using: &generator) } }
        let imageRows = number.isMultiple(of: 3) ? 2 : 4
        return MomentInput(
            text: (0...number % 6).map { ($0 * 5 + number) % 12 },
            senses: [
                "image": SenseInput(rows: imageRows, columns: 3, values: numbers(3 * imageRows), age: 0.3, validity: 0.5),
                "audio": SenseInput(rows: 6, columns: 2, values: numbers(12)),
            ],
            label: number.isMultiple(of: 4) ? nil : number % 4, classes: 4)
    }
}
