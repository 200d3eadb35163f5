import Foundation
import Model
import Statistics
import Tensors
import TensorsTesting
import Testing

@Suite struct PartsExplanationTests {
    @Test(arguments: fusions.map(\.key))
    func integratedPartsSumToWhatTheMomentGivesBeyondNothing(_ fusion: String) throws {
        try expectSumToConverge { $0.fusion = fusion }
    }

    @Test(arguments: encoders.map(\.key))
    func integratedPartsOfEveryEncoderSumToWhatTheMomentGivesBeyondNothing(_ encoder: String) throws {
        try expectSumToConverge { for index in $0.senses.indices { $0.senses[index].encoder = encoder } }
    }

    private func expectSumToConverge(_ change: (inout MultimodalConfiguration) -> Void) throws {
        for number in [1, 3, 5] {
            let explainer = try explainer(change)
            let errors = [32, 256].map { steps in
                let explanation = explainer.explain(.example(number), class: 2, steps: steps)
                let sum = explanation.parts.values.joined().reduce(0, +)
                return abs(sum - (explanation.whole - explanation.nothing))
            }
            #expect(errors[0] < 0.06, "\(errors)")
            #expect(errors[1] < 0.001, "\(errors)")
            #expect(errors[1] < errors[0] / 4 || errors[0] < 1e-5, "\(errors)")
        }
    }

    /// Against central differences of the rows' values, which are exact in single precision.
    @Test(arguments: encoders.map(\.key))
    func gradientTimesInputIsTheSlopeOfScalingARow(_ encoder: String) throws {
        let explainer = try explainer { for index in $0.senses.indices { $0.senses[index].encoder = encoder } }
        let moment = MomentInput.coarse(4), h = 1.0 / 256
        let parts = explainer.explain(moment, class: 1, by: .gradient).parts
        for name in ["image", "audio"] {
            for row in 0..<moment.senses[name]!.rows {
                let slope = (slope(explainer, moment) { $0.scale(name, row, by: Float(1 + $1 * h)) }) / (2 * h)
                #expect(abs(parts[name]![row] - slope) < 1e-5, "\(encoder) \(name) \(row)")
            }
        }
    }

    /// The line from nothing is followed by moments whose values are scaled, on a plain path of another rule.
    @Test func integratedPartsAreTheIntegralOfSlopesAlongTheLine() throws {
        let explainer = try explainer { for index in $0.senses.indices { $0.senses[index].encoder = "convolution" } }
        var moment = MomentInput.coarse(4)
        moment.text = []
        let parts = explainer.explain(moment, class: 1, steps: 400).parts
        let h = 1.0 / 256, steps = 400
        for (name, row) in [("image", 1), ("audio", 4)] {
            var integral = 0.0
            for step in 0..<steps {
                let t = (Double(step) + 0.5) / Double(steps), share = t * t * t
                var scaled = moment
                for sense in ["image", "audio"] {
                    for r in 0..<moment.senses[sense]!.rows { scaled.scale(sense, r, by: Float(share)) }
                }
                let slope = slope(explainer, scaled) { $0.scale(name, row, by: Float(1 + $1 * h)) } / (2 * h * share)
                integral += slope * 3 * t * t / Double(steps)
            }
            #expect(abs(parts[name]![row] - integral) < 2e-3, "\(name) \(row): \(parts[name]![row]), \(integral)")
        }
    }

    @Test func occlusionIsWhatAMomentWithoutThePartLoses() throws {
        let explainer = try explainer { _ in }
        let moment = MomentInput.example(5)
        let explanation = explainer.explain(moment, by: .occlusion)
        var shorter = moment
        shorter.senses["audio"] = SenseInput(rows: 5, columns: 2, values: Array(moment.senses["audio"]!.values.prefix(10)))
        var fewer = moment
        fewer.text.removeSubrange(explanation.words[1])
        let plain = [moment, shorter, fewer].map { explainer.logProbabilities(of: $0, class: explanation.decided, without: [[]])[0] }
        #expect(explanation.parts["audio"]![5] == plain[0] - plain[1])
        #expect(explanation.parts["text"]![1] == plain[0] - plain[2])
        let all = explainer.logProbabilities(
            of: moment, class: explanation.decided, without: [Set(explainer.parts(of: moment))])
        #expect(all == explainer.logProbabilities(of: MomentInput(), class: explanation.decided, without: [[]]))
    }

    @Test func wordsAreTheTokensBetweenSpaces() throws {
        var configuration = MultimodalConfiguration.tiny
        configuration.text.vocabulary = 257
        let model = try MultimodalModel(configuration)
        var random = SplitMix64(state: 3)
        let explainer = PartsExplainer(model, parameters: model.initialStore(of: Double.self, using: &random))
        let text = Array(" which  colour is it ".utf8).map(Int.init)
        let explanation = explainer.explain(MomentInput(text: text))
        #expect(explanation.words.map { String(decoding: text[$0].map(UInt8.init), as: UTF8.self) } == ["which", "colour", "is", "it"])
        #expect(explanation.parts["text"]!.count == 4)
        #expect(explanation.parts.keys.sorted() == ["text"])
    }

    @Test func rowsBeyondTheModelHaveNoPartAndNothingHasNone() throws {
        let explainer = try explainer { _ in }
        var moment = MomentInput.example(1)
        moment.senses["image"] = SenseInput(rows: 9, columns: 3, values: Array(repeating: 0.5, count: 27))
        #expect(explainer.explain(moment).parts["image"]!.count == 4)
        let nothing = explainer.explain(MomentInput())
        #expect(nothing.parts.isEmpty)
    }

    /// f(+1) − f(−1) of ln p of class 1.
    private func slope(
        _ explainer: PartsExplainer<Double>, _ moment: MomentInput, _ change: (inout MomentInput, Double) -> Void
    ) -> Double {
        let values = [1.0, -1.0].map { sign in
            var changed = moment
            change(&changed, sign)
            return explainer.logProbabilities(of: changed, class: 1, without: [[]])[0]
        }
        return values[0] - values[1]
    }

    private func explainer(_ change: (inout MultimodalConfiguration) -> Void) throws -> PartsExplainer<Double> {
        var configuration = MultimodalConfiguration.tiny
        change(&configuration)
        let model = try MultimodalModel(configuration)
        var random = SplitMix64(state: 7)
        return PartsExplainer(model, parameters: model.initialStore(of: Double.self, using: &random), batch: 5)
    }
}

extension MomentInput {
    /// An example with values that are multiples of 1/64.
    fileprivate static func coarse(_ number: Int) -> MomentInput {
        var moment = MomentInput.example(number)
        for (name, sense) in moment.senses { moment.senses[name]!.values = sense.values.map { ($0 * 64).rounded() / 64 } }
        return moment
    }

    fileprivate mutating func scale(_ name: String, _ row: Int, by factor: Float) {
        let columns = senses[name]!.columns
        for place in row * columns..<(row + 1) * columns { senses[name]!.values[place] *= factor }
    }
}
