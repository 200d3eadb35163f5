import Model
import Schema

extension Contributions {
    /// What an explanation tells, as it goes over the wire.
    package init(_ explanation: Explanation?, attention: [Model.AttentionMap]) {
        self.init()
        marginal = explanation?.marginal ?? [:]
        shapley = explanation?.shapley ?? [:]
        self.attention = attention.map { map in
            .with {
                $0.name = map.name
                $0.rows = UInt32(map.rows)
                $0.columns = UInt32(map.columns)
                $0.weights = map.weights
            }
        }
    }
}

extension MomentExplanation {
    package mutating func fill(_ explanation: Explanation, attention: [Model.AttentionMap]) {
        probabilities = explanation.prediction.probabilities
        label = UInt32(explanation.decided)
        weights = explanation.prediction.weights
        experts = explanation.prediction.experts.mapValues { opinion in .with { $0.probabilities = opinion } }
        contributions = Contributions(explanation, attention: attention)
    }
}
