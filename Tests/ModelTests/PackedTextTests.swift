import TensorsTesting
import Testing
@testable import Model
@testable import Tensors

/// Texts are read without padding, with the same results as with padding.
@Suite struct PackedTextTests {
    /// Packed texts compared with the same texts with padding, recorded separately.
    @Test(arguments: fusions.map(\.key))
    func textsWithoutTheirPaddingAreAsLikely(_ fusion: String) throws {
        var configuration = MultimodalConfiguration.tiny
        configuration.fusion = fusion
        let model = try MultimodalModel(configuration), V = configuration.text.vocabulary
        var generator = SplitMix64(state: 11)
        let store = model.initialStore(of: Double.self, using: &generator)
        let packed = MultimodalGraph<Double>.predicting(model, parameters: store, batch: 6, languageRows: 5)
        let padded = Graph<Double>.predicting(parameters: store)
        let language = MomentLanguage(model, batch: 5, rows: 5 * configuration.text.length, in: padded)
        let texts = [[3, 1, 4], [], [1, 5, 9, 2, 6], [5], [3, 5, 8, 9]]
        for (row, text) in texts.enumerated() {
            var moment = MomentInput.example(row + 1)
            moment.text = text
            packed.set(moment, row: row)
            moment.text = []
            language.set(moment, written: text, row: row, rows: row * 5..<row * 5 + text.count)
        }
        packed.forward()
        padded.forward()
        for (row, text) in texts.enumerated() {
            let told = packed.prediction(row: row).tokenNLL
            #expect(told.count == text.count)
            for (place, token) in text.enumerated() {
                let logits = language.logits.values[(row * 5 + place) * V..<(row * 5 + place + 1) * V]
                let level = Double.log(logits.reduce(0) { $0 + Double.exp($1) })
                #expect(abs(Double(told[place]) - (level - logits[logits.startIndex + token])) < 1e-6)
            }
        }
        #expect(packed.prediction(row: 5).tokenNLL.isEmpty)
    }

    @Test func aTextThatIsNotToldChangesNothingElse() throws {
        let model = try MultimodalModel(.tiny)
        var generator = SplitMix64(state: 11)
        let store = model.initialStore(using: &generator)
        let graph = MultimodalGraph<Float>.predicting(model, parameters: store, batch: 3, languageRows: 3)
        for row in 0..<3 { graph.set(.example(row + 3), row: row) }
        graph.forward()
        let all = (0..<3).map { graph.prediction(row: $0) }
        graph.set(.example(4), row: 1, scoresText: false)
        graph.forward()
        let others = (0..<3).map { graph.prediction(row: $0) }
        #expect(others[0] == all[0] && others[2] == all[2])
        #expect(others[1].tokenNLL.isEmpty && !all[1].tokenNLL.isEmpty && others[1].probabilities == all[1].probabilities)
    }

    @Test func withoutATextTheTrunkLearnsNothing() throws {
        let model = try MultimodalModel(.tiny)
        var generator = SplitMix64(state: 11)
        let graph = MultimodalGraph(model, parameters: model.initialStore(using: &generator), batch: 2, languageRows: 2)
        for number in [5, 1] {
            for row in 0..<2 {
                var moment = MomentInput.example(number + row)
                if number == 1 { moment.text = [] }
                graph.set(moment, row: row)
            }
            graph.forward()
            graph.backward()
            let trunk = model.parameters.filter { model.isTrunk($0) }.flatMap { Array(graph.gradients[$0.name]) }
            #expect(trunk.contains { $0 != 0 } == (number == 5))
            #expect((graph.losses.language > 0) == (number == 5))
        }
    }

    /// The default model and a step's rows, compared with the same loss recorded with padding, which adds only zeros.
    @Test(
        .enabled(if: SmallProduct.isAvailable, "other kernels add in an order that depends on the places of rows"),
        arguments: fusions.map(\.key))
    func gradientsAreThoseWithPaddingToTheBit(_ fusion: String) throws {
        var configuration = MultimodalConfiguration()
        configuration.fusion = fusion
        let model = try MultimodalModel(configuration), rows = 4, batch = 6
        var generator = SplitMix64(state: 3)
        let store = model.initialStore(using: &generator)
        let packed = MultimodalGraph(model, parameters: store, batch: batch, languageRows: rows)

        let padded = Graph(parameters: store)
        let inputs = MultimodalInputs(configuration, batch: batch, languageRows: rows, in: padded)
        let percepts = model.percepts(inputs, in: padded)
        let verdict = model.fusion.classify(percepts, in: padded)
        var loss = padded.crossEntropy(verdict.logits, targets: inputs.labels).mean
        for (percept, modality) in zip(percepts, inputs.modalities) {
            loss = padded.add(loss, padded.crossEntropy(percept.opinion, targets: modality.labels).mean)
        }
        let read = model.read(percepts, inputs, languageRows: rows, in: padded)
        loss = padded.add(loss, padded.crossEntropy(model.trunk.logits(read, in: padded), targets: inputs.nextTokens).mean)

        for lengths in [[12, 17, 0, 33], [64, 1, 29, 64], [0, 0, 0, 0]] {
            for row in 0..<batch {
                var moment = MomentInput()
                moment.label = row % 3
                moment.text = (0..<(row < rows ? lengths[row] : 9)).map { _ in Int.random(in: 97...122, using: &generator) }
                for (index, sense) in configuration.senses.enumerated() where (row + index) % 4 != 0 {
                    let values = (0..<sense.rows * sense.columns).map { _ in Float.random(in: -1...1, using: &generator) }
                    moment.senses[sense.name] = SenseInput(rows: sense.rows, columns: sense.columns, values: values)
                }
                packed.set(moment, row: row)
                inputs.set(moment, row: row, hiding: [], shifts: [])
            }
            packed.forward()
            packed.backward()
            padded.forward()
            padded.backward(from: loss)
            let unlike = packed.gradients.layout.parameters.filter { parameter in
                !packed.gradients[parameter.name].elementsEqual(padded.gradients[parameter.name])
            }
            #expect(unlike.map(\.name).isEmpty, "\(lengths): \(unlike.map(\.name))")
            #expect(abs(packed.losses.total - Double(loss.value)) < 1e-4)
        }
    }
}
