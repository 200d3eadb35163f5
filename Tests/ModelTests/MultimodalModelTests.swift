import Foundation
import Model
import Statistics
import Tensors
import TensorsTesting
import Testing

@Suite struct MultimodalModelTests {
    @Test(arguments: fusions.map(\.key))
    func aHiddenModalityCountsNothing(_ fusion: String) throws {
        let graph = try serving(fusion, batch: 2)
        let moment = MomentInput.example(1)
        var other = moment
        other.senses["image"]!.values = other.senses["image"]!.values.map { 3 - $0 }
        other.senses["image"]!.age = 9
        graph.set(moment, row: 0, hiding: ["image"])
        graph.set(other, row: 1, hiding: ["image"])
        graph.forward()
        let (first, second) = (graph.prediction(row: 0), graph.prediction(row: 1))
        #expect(first == second)
        #expect(first.weights["image"] == 0)
        #expect(first.experts["image"] == nil)
        #expect(abs(first.weights.values.reduce(0, +) - 1) < 1e-5)
        #expect(first.tokenNLL.count == moment.text.count)

        graph.set(moment, row: 0)
        graph.forward()
        #expect(graph.prediction(row: 0).probabilities != first.probabilities)
        #expect(graph.prediction(row: 0).tokenNLL != first.tokenNLL)
    }

    @Test(arguments: fusions.map(\.key))
    func whatIsSaidLaterDoesNotTellWhatIsSaidNow(_ fusion: String) throws {
        let graph = try serving(fusion, batch: 2)
        var moment = MomentInput.example(4)
        moment.text = [3, 1, 4, 1, 5]
        graph.set(moment, row: 0)
        moment.text = [3, 1, 4, 2, 7]
        graph.set(moment, row: 1)
        graph.forward()
        let (first, second) = (graph.prediction(row: 0).tokenNLL, graph.prediction(row: 1).tokenNLL)
        #expect(first.prefix(3) == second.prefix(3))
        #expect(first.suffix(2) != second.suffix(2))
    }

    @Test func aMomentWithNothingIsEvenOddsOfTheBiasAlone() throws {
        for fusion in fusions.map(\.key) {
            let graph = try serving(fusion, batch: 1)
            graph.set(MomentInput(), row: 0)
            graph.forward()
            let prediction = graph.prediction(row: 0)
            #expect(prediction.probabilities.allSatisfy { $0.isFinite }, "\(fusion)")
            #expect(abs(prediction.probabilities.reduce(0, +) - 1) < 1e-5, "\(fusion)")
            #expect(prediction.weights.values.allSatisfy { $0 == 0 }, "\(fusion)")
        }
    }

    @Test(arguments: fusions.map(\.key))
    func shapleyValuesSumToWhatAllModalitiesGive(_ fusion: String) throws {
        let graph = try serving(fusion, batch: 3)
        let moment = MomentInput.example(5)
        let explanation = graph.explain(moment, class: 2)
        graph.set(moment, row: 0)
        graph.clear(row: 1)
        graph.forward()
        let gain = log(Double(graph.prediction(row: 0).probabilities[2])) - log(Double(graph.prediction(row: 1).probabilities[2]))
        #expect(abs(explanation.shapley!.values.reduce(0, +) - gain) < 1e-5)

        graph.set(moment, row: 0, hiding: ["audio"])
        graph.forward()
        let without = log(Double(graph.prediction(row: 0).probabilities[2]))
        #expect(abs(explanation.marginal["audio"]! - (log(Double(explanation.prediction.probabilities[2])) - without)) < 1e-5)
    }

    @Test func aConfigurationNamesOnlyWhatItChanges() throws {
        let json = #"{"fusion": "late", "senses": [{"name": "gaze", "rows": 4, "columns": 2}], "text": {"length": 9}}"#
        let configuration = try JSONDecoder().decode(MultimodalConfiguration.self, from: Data(json.utf8))
        #expect(configuration.fusion == "late")
        #expect(configuration.modalities == ["gaze", "text"])
        #expect(configuration.text.length == 9)
        #expect(configuration.width == MultimodalConfiguration().width)
        let again = try JSONDecoder().decode(MultimodalConfiguration.self, from: JSONEncoder().encode(configuration))
        #expect(again == configuration)
    }

    @Test func nonsenseIsRefusedByItsKey() throws {
        try refuses("fusion") { $0.fusion = "middle" }
        try refuses("heads") { $0.heads = 3 }
        try refuses("senses") { $0.senses.append($0.senses[0]) }
        try refuses("senses.image.encoder") { $0.senses[0].encoder = "eye" }
        try refuses("senses.audio.rows") { $0.senses[1].rows = 0 }
        try refuses("pairs") { $0.pairs = [["image", "smell"]] }
        try refuses("languageWeight") { $0.languageWeight = -.infinity }
    }

    private func refuses(_ key: String, _ change: (inout MultimodalConfiguration) -> Void) throws {
        var configuration = MultimodalConfiguration()
        change(&configuration)
        let problem = #expect(throws: SettingsError.self) { try configuration.validate() }
        #expect(problem?.key == key)
    }

    private func serving(_ fusion: String, batch: Int) throws -> MultimodalGraph<Float> {
        var configuration = MultimodalConfiguration.tiny
        configuration.fusion = fusion
        let model = try MultimodalModel(configuration)
        var generator = SplitMix64(state: 11)
        return .predicting(model, parameters: model.initialStore(using: &generator), batch: batch, languageRows: batch)
    }
}
