import Foundation
import Statistics

/// Recognises the class of a text, and learns from each once.
///
/// Softmax regressions on several counts of words, and ridge regressions on what a language model makes of the text; `GatedChoice` weighs
/// what they say, with how frequent the classes are and how long their texts.
public struct TextClassifier: Sendable {
    /// What is known of a text.
    public struct Features: Sendable, Equatable {
        /// Words and how often each comes, in several ways of counting.
        public var words: [[String: Float]]
        /// Vectors that a language model gives; as many numbers each time.
        public var vectors: [[Float]]
        /// The length of the text in bytes.
        public var length: Int

        public init(words: [[String: Float]], vectors: [[Float]] = [], length: Int) {
            (self.words, self.vectors, self.length) = (words, vectors, length)
        }
    }

    private var counts = WordCounts()
    private var experts: [AdagradSoftmax]
    private var readers: [RidgeClassifier]
    private var choice: GatedChoice
    private var frequencies: [Float] = []
    private var lengths: [RunningMoments] = []
    private var features = Features(words: [], length: 0)
    private var rows: [[Float]] = []

    /// How strongly the readers' weights are held at 0.
    static let ridge = 1.0
    /// The readers' scores, of 0 to 1, are multiplied by this at first.
    static let readerWeight: Float = 4

    /// - Parameters:
    ///   - words: the number of counts of words in `Features`.
    ///   - vectors: the number of its vectors.
    public init(words: Int, vectors: Int) {
        experts = Array(repeating: AdagradSoftmax(), count: words)
        readers = Array(repeating: RidgeClassifier(ridge: Self.ridge), count: vectors)
        let initial =
            Array(repeating: 1 / Float(max(1, words)), count: words)
            + Array(repeating: Self.readerWeight / Float(max(1, vectors)), count: vectors) + [0, 0]
        choice = GatedChoice(initial: initial, gates: 1, rate: 0.1)
    }

    /// The probability of each class that has come so far.
    public mutating func predict(_ features: Features) -> [Float] {
        precondition(
            features.words.count == experts.count && features.vectors.count == readers.count,
            "\(features.words.count) counts and \(features.vectors.count) vectors")
        self.features = features
        let logs = experts.indices.map { experts[$0].predict(counts.inputs(features.words[$0], kind: $0)) }
        let scores = readers.indices.map { readers[$0].predict(features.vectors[$0]) }
        guard !frequencies.isEmpty else { return [] }
        rows = frequencies.indices.map { label in
            logs.map { $0[label] } + scores.map { $0[label] } + [log((frequencies[label] + 0.5) / Float(counts.texts + 1)), fit(label)]
        }
        return choice.predict(rows, gates: [1])
    }

    private var logLength: Double { log(Double(max(1, features.length))) }

    /// ln of how likely the length is in a class, by a normal distribution of its logarithm.
    private func fit(_ label: Int) -> Float {
        let deviation = lengths[label].count > 2 ? max(0.45, lengths[label].standardDeviation) : 1
        let mean = lengths[label].count > 0 ? lengths[label].mean : 6, z = (logLength - mean) / deviation
        return Float(max(-8, -z * z / 2) - log(deviation))
    }

    /// Learns the class of the text predicted last.
    public mutating func learn(_ label: Int) {
        if frequencies.indices.contains(label), !rows.isEmpty { choice.learn(label) }
        for index in experts.indices { experts[index].learn(label) }
        for index in readers.indices { readers[index].learn(label) }
        while frequencies.count <= label {
            frequencies.append(0)
            lengths.append(RunningMoments())
        }
        frequencies[label] += 1
        lengths[label].add(logLength)
        counts.add(features.words)
    }
}

/// Softmax regression on the words of a text, weighed by tf-idf: the baseline of `TextClassifier`.
public struct TextBaseline {
    private var counts = WordCounts()
    private var softmax: AdagradSoftmax
    private var words: [String: Float] = [:]

    /// - Parameter rate: Adagrad's rate.
    public init(rate: Float = 1) { softmax = AdagradSoftmax(rate: rate) }

    /// The class that is the most probable; nil before any has come.
    public mutating func predict(_ text: String) -> Int? {
        words = text.lowercased().split { !($0.isLetter || $0 == "'") }.reduce(into: [:]) { $0[String($1), default: 0] += 1 }
        return softmax.predict(counts.inputs(words, kind: 0)).argmax
    }

    /// Learns the class of the text predicted last.
    public mutating func learn(_ label: Int) {
        softmax.learn(label)
        counts.add([words])
    }
}
