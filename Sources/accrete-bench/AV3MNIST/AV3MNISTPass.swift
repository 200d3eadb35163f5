import Learning
import Model
import Tensors

/// One online pass: each moment is answered in several ways, then learned.
struct AV3MNISTPass {
    /// The moment with all senses, and without each of these.
    let masks: [String]
    let learner: OnlineLearner
    /// Moments after which the encoders learn no more; nil: never.
    var frozenAfter: Int?

    /// Whether each moment's label was predicted, by hidden sense; "" for none.
    func run(over moments: [MomentInput]) throws -> [String: [Bool]] {
        let all = [""] + masks
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: all.count, languageRows: 0)
        var correct: [String: [Bool]] = [:]
        for (number, moment) in moments.enumerated() {
            for (row, mask) in all.enumerated() { serving.set(moment, row: row, hiding: mask.isEmpty ? [] : [mask]) }
            serving.forward()
            for (row, mask) in all.enumerated() { correct[mask, default: []].append(serving.prediction(row: row).decided == moment.label) }
            let frozen = frozenAfter.map { number >= $0 } == true ? encoders() : [:]
            try learner.learn(moment)
            for (name, values) in frozen { _ = learner.parameters[name].update(fromContentsOf: values) }
        }
        return correct
    }

    private func encoders() -> [String: [Float]] {
        let names = learner.parameters.layout.parameters.map(\.name).filter { $0.hasPrefix("encoder.") }
        return Dictionary(uniqueKeysWithValues: names.map { ($0, Array(learner.parameters[$0])) })
    }
}

/// Accuracies in percent, one for each seed.
struct Accuracies: Encodable {
    var all: [Double] = []
    var last500: [Double] = []

    mutating func add(_ correct: [Bool]) {
        all.append(percent(correct))
        last500.append(percent(correct.suffix(500)))
    }

    private func percent(_ correct: some Collection<Bool>) -> Double { 100 * Double(correct.count { $0 }) / Double(max(1, correct.count)) }
}

extension [Double] {
    var mean: Double { reduce(0, +) / Double(Swift.max(1, count)) }

    /// Of a sample.
    var deviation: Double {
        count > 1 ? (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)).squareRoot() : 0
    }
}
