import Model
import Schema

extension Contributions {
    /// The message of an explanation and the fusion's attention maps.
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
    /// Sets the fields of a requested explanation.
    package mutating func fill(_ explanation: Explanation, attention: [Model.AttentionMap]) {
        probabilities = explanation.prediction.probabilities
        label = UInt32(explanation.decided)
        weights = explanation.prediction.weights
        experts = explanation.prediction.experts.mapValues { opinion in .with { $0.probabilities = opinion } }
        contributions = Contributions(explanation, attention: attention)
    }
}
