import Model
import Tensors
import Testing

@Suite struct ModelMemoryTests {
    /// Shapes that differ in everything the formulas name.
    private static var shapes: [MultimodalConfiguration] {
        var shapes: [MultimodalConfiguration] = []
        for fusion in fusions.map(\.key) {
            for encoder in encoders.map(\.key) {
                for senses in [[], [MultimodalConfiguration.Sense.image], [.image, .audio, .vector]] {
                    var shape = MultimodalConfiguration()
                    shape.fusion = fusion
                    (shape.width, shape.heads, shape.tokens, shape.joint, shape.classes, shape.layers) = (24, 3, 3, 20, 7, 3)
                    (shape.text.length, shape.text.vocabulary, shape.text.words, shape.text.buckets) = (10, 50, 5, 33)
                    shape.senses = senses
                    for index in senses.indices {
                        shape.senses[index].encoder = encoder
                        shape.senses[index].blocks = index + 1
                    }
                    if senses.count == 3 { shape.pairs = [["image", "audio"], ["audio", "image"], ["text", "vector"]] }
                    if senses.count == 1 { shape.combination = "mean" }
                    shapes.append(shape)
                }
            }
        }
        return shapes
    }

    @Test func parametersAreCountedExactly() throws {
        for shape in Self.shapes {
            let layout = try MultimodalModel(shape).layout
            #expect(shape.parameterNumbers == Double(layout.count), "\(shape)")
            let trunk = try MultimodalModel(shape).trunk.parameters.reduce(0) { $0 + $1.count }
            #expect(shape.trunkNumbers == Double(trunk))
        }
    }

    @Test func whatAGraphComputesIsBoundedAndNotFarBelowTheBound() throws {
        for shape in Self.shapes {
            let model = try MultimodalModel(shape), store = ParameterStore<Float>(model.layout)
            for (batch, language) in [(1, 0), (5, 0), (5, 2), (4, 4)] {
                for learning in [false, true] {
                    let graph = MultimodalGraph(model, parameters: store, batch: batch, languageRows: language, learning: { _ in learning })
                    let actual = Double(graph.graph.activationCount)
                    let told = shape.activationNumbers(batch: batch, languageRows: language, learning: learning)
                    #expect(
                        actual <= told && told <= 1.75 * actual + 2000, "\(actual) of \(told): \(shape), \(batch), \(language), \(learning)"
                    )
                }
            }
        }
    }

    @Test func extentsBeyondAllMemoryAreToldWithoutATrap() {
        var shape = MultimodalConfiguration()
        (shape.width, shape.layers, shape.tokens, shape.classes, shape.text.length) = (1 << 20, .max, .max, .max, .max)
        #expect(shape.parameterNumbers > 1e30 && shape.activationNumbers(batch: .max, languageRows: .max, learning: true) > 1e30)
    }

    @Test(arguments: fusions.map(\.key))
    func aModelOfWordsAloneLearnsAndPredicts(_ fusion: String) throws {
        var shape = MultimodalConfiguration()
        shape.senses = []
        shape.fusion = fusion
        let model = try MultimodalModel(shape)
        var random = SystemRandomNumberGenerator()
        let graph = MultimodalGraph(model, parameters: model.initialStore(using: &random), batch: 2, languageRows: 2)
        var moment = MomentInput()
        moment.text = [104, 105]
        moment.label = 3
        graph.set(moment, row: 0)
        graph.forward()
        graph.backward()
        #expect(graph.losses.total.isFinite && graph.losses.language > 0 && graph.losses.classification > 0)
        #expect(graph.gradients.values.allSatisfy(\.isFinite) && graph.gradients.values.contains { $0 != 0 })
        #expect(graph.prediction(row: 0).weights.keys.sorted() == ["text"])
        #expect(graph.explain(moment).shapley?.keys.sorted() == ["text"])

        let decoder = MomentDecoder(model, sampling: Sampling(), maximumTokens: 3)
        decoder.begin(moment, with: graph.parameters, seed: 1)
        while decoder.next() != nil {}
        #expect(!decoder.hasFailed && decoder.tokens.count > 2)
    }
}
