import Tensors

/// The contribution of each modality to a decision, in nats of the decided class's log-probability.
public struct Explanation: Codable, Sendable, Equatable {
    /// The class that is explained.
    public var decided: Int
    /// The prediction from all modalities.
    public var prediction: MultimodalPrediction
    /// ln p with all modalities − ln p without this one, for each modality of the moment.
    public var marginal: [String: Double]
    /// Shapley values: the mean of a modality's contribution over all orders in which modalities could be added. Their sum is
    /// ln p with all − ln p with none. Nil if they were not requested or the moment has more than `Explanation.mostForShapley`
    /// modalities.  https://doi.org/10.1515/9781400881970-018
    public var shapley: [String: Double]?

    /// The maximal number of modalities for which Shapley values are computed.
    public static let mostForShapley = 4
}

extension MultimodalGraph {
    /// Explains a decision by hiding modalities, one or several at a time; exact, and in as few forward passes as the batch allows.
    /// It overwrites the rows of the batch.
    ///
    /// - Parameters:
    ///   - moment: the moment that was decided.
    ///   - class: the class whose probability is explained; by default the most probable one.
    ///   - exhaustively: whether to compute Shapley values too, which takes 2ⁿ rows for n modalities instead of n + 1.
    public func explain(_ moment: MomentInput, class decided: Int? = nil, exhaustively: Bool = true) -> Explanation {
        let names = model.configuration.modalities.filter { moment.has($0) }
        let isExhaustive = exhaustively && names.count <= Explanation.mostForShapley
        let all = (1 << names.count) - 1
        let coalitions = isExhaustive ? Array((0...all).reversed()) : [all] + names.indices.map { all & ~(1 << $0) }

        var predictions: [Int: MultimodalPrediction] = [:]
        for start in stride(from: 0, to: coalitions.count, by: batch) {
            let chunk = coalitions[start..<min(start + batch, coalitions.count)]
            for (row, coalition) in chunk.enumerated() {
                set(moment, row: row, hiding: Set(names.indices.filter { coalition >> $0 & 1 == 0 }.map { names[$0] }))
            }
            forward()
            for (row, coalition) in chunk.enumerated() { predictions[coalition] = prediction(row: row) }
        }

        let whole = predictions[all]!
        let decided = decided ?? whole.decided
        let value = predictions.mapValues { Double.log(Double(max($0.probabilities[decided], .leastNormalMagnitude))) }
        let marginal = names.indices.map { value[all]! - value[all & ~(1 << $0)]! }
        let shapley = isExhaustive ? names.indices.map { Self.shapley($0, of: names.count, value) } : nil
        return Explanation(
            decided: decided, prediction: whole, marginal: Dictionary(uniqueKeysWithValues: zip(names, marginal)),
            shapley: shapley.map { Dictionary(uniqueKeysWithValues: zip(names, $0)) })
    }

    /// Σ over coalitions S without the player of |S|! (n − |S| − 1)! / n! · (v(S + player) − v(S))
    private static func shapley(_ player: Int, of count: Int, _ value: [Int: Double]) -> Double {
        let factorial = { (n: Int) in (1...max(1, n)).reduce(1.0) { $0 * Double($1) } }
        return (0..<1 << count).filter { $0 >> player & 1 == 0 }.reduce(0) { sum, coalition in
            let size = coalition.nonzeroBitCount
            let share = factorial(size) * factorial(count - size - 1) / factorial(count)
            return sum + share * (value[coalition | 1 << player]! - value[coalition]!)
        }
    }
}

extension MultimodalPrediction {
    /// The most probable class; the first, if several are equal.
    public var decided: Int {
        probabilities.indices.reduce(0) { probabilities[$1] > probabilities[$0] ? $1 : $0 }
    }
}
