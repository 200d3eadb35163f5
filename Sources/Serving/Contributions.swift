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

    /// Sets the contributions of the parts of each modality.
    /// - Parameters:
    ///   - explanation: nil where a moment has too many parts.
    ///   - words: the bytes of the text's tokens.
    ///   - withFeatures: whether the features of the senses' parts are set too.
    package mutating func fill(
        _ explanation: PartsExplanation?, of input: MomentInput, words: (ArraySlice<Int>) -> [UInt8], withFeatures: Bool
    ) {
        for (modality, nats) in explanation?.parts ?? [:] {
            parts[modality] = .with { part in
                part.nats = nats.map { Float($0) }
                if modality == MultimodalConfiguration.textName, let explanation {
                    part.words = explanation.words.map { Self.cut(words(input.text[$0])) }
                }
                guard withFeatures, let sense = input.senses[modality], sense.values.count <= Self.mostFeatures else { return }
                part.features = sense.values
                part.columns = UInt32(clamping: sense.columns)
            }
        }
    }

    /// The text of the first bytes of a word, without a character that is cut.
    private static func cut(_ word: [UInt8]) -> String {
        var text = String(decoding: word.prefix(mostWordBytes), as: UTF8.self)
        // An invalid byte becomes a character of three.
        while text.utf8.count > mostWordBytes { text.removeLast() }
        return text
    }

    private static let mostFeatures = 65_536, mostWordBytes = 64
}
