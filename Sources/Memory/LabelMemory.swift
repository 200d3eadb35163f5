import Foundation
import Statistics

/// A bounded store of what somebody has named, which recalls a name from the first example on.
///
/// Every example has a sketch of each sense. A new moment is compared with all of them, sense by sense. How similar two things of different
/// names are depends on the sense's features, so similarities are measured in standard deviations above the mean of those:
///
///     z(label) = (max over the label's examples of the similarity − mean) / deviation
///     p(label) = exp(β z(label)) / Σ exp(β z)
///
/// How far this opinion counts beside the model's is learned from the names that follow, for every range of the greatest z apart, as the
/// weight of a mixture by online expectation maximisation:
///
///     p = (1 − w) · model + w · opinion;  w ← w + (w · opinion[label] / p[label] − w) / n
public struct LabelMemory: Sendable {
    /// An example of a name.
    public struct Example: Sendable, Equatable {
        public var label: Int
        /// The session that it is from, and its moment.
        public var source: String, moment: String
        /// By sense.
        public var sketches: [String: SenseSketch]

        var bytes: Int { sketches.values.reduce(source.utf8.count + moment.utf8.count) { $0 + 4 * $1.numbers.count } }
    }

    /// The maximal size of all examples; the oldest are discarded.
    public static let mostBytes = 32 << 20

    /// What the examples say of a moment.
    public struct Recall: Sendable, Equatable {
        /// A sense's opinion.
        struct Opinion: Sendable, Equatable {
            /// The greatest z, by label.
            var evidence: [Int: Double]
            /// The range of the greatest of them.
            var range: Int
            var weight: Double
        }

        /// By sense.
        var opinions: [String: Opinion] = [:]
        /// Sketches of the moment, by sense.
        public internal(set) var sketches: [String: SenseSketch] = [:]

        /// The weight of what is recalled, beside the model's: 0…1.
        public var weight: Double { 1 - opinions.sorted { $0.key < $1.key }.reduce(1) { $0 * (1 - $1.value.weight) } }
    }

    /// The most examples. Of more, the oldest of the name with the most examples is discarded, so that what was named once stays.
    public let capacity: Int
    /// From the oldest to the newest.
    public private(set) var examples: [Example] = []
    /// The size of all examples.
    private var bytes = 0
    private var senses: [String: Sense] = [:]

    /// What was learned of a sense.
    struct Sense: Codable, Sendable, Equatable {
        /// Of similarities between examples of different names.
        var count = LabelMemory.assumedCount
        var mean = LabelMemory.assumedMean
        var squares = LabelMemory.assumedCount * LabelMemory.assumedDeviation * LabelMemory.assumedDeviation
        /// The weight of the opinion, and how often it was learned from, for each range of z.
        var weights = (0...LabelMemory.bounds.count).map(LabelMemory.assumedWeight)
        var uses = Array(repeating: LabelMemory.assumedUses, count: LabelMemory.bounds.count + 1)

        var deviation: Double { max(LabelMemory.leastDeviation, (squares / count).squareRoot()) }

        mutating func note(_ similarity: Double) {
            count = min(count + 1, LabelMemory.window)
            let difference = similarity - mean
            mean += difference / count
            // In a window the sum of squares is kept in proportion.
            squares = squares * (count - 1) / count + difference * (similarity - mean)
            squares = max(squares, 0)
        }
    }

    /// Similarities before there are two names.
    static let assumedMean = 0.3, assumedDeviation = 0.15, assumedCount = 2.0
    static let leastDeviation = 0.005
    /// The number of similarities over which mean and deviation are taken.
    static let window = 4_096.0
    /// Ranges of z end at these.
    static let bounds: [Double] = [0, 1, 2, 3, 4, 5, 6, 8]
    static let assumedUses = 4.0
    /// The number of names over which a weight is averaged.
    static let weightWindow = 100.0
    /// β
    private static let sharpness = 1.5
    /// The z from which on a wrongly recalled example was meant: it is replaced by the new name.
    private static let certain = 5.0
    /// The most senses that are compared.
    static let mostSenses = 64

    /// A logistic function of a range's middle: at z = 3 the opinion and the model count the same.
    static func assumedWeight(_ range: Int) -> Double {
        let middle = range < bounds.count ? bounds[range] - 0.5 : bounds[range - 1] + 1
        return 1 / (1 + exp(-1.5 * (middle - 3)))
    }

    public init(capacity: Int) {
        precondition(capacity >= 0, "a memory of \(capacity) examples")
        self.capacity = capacity
    }

    /// What the examples say of a moment.
    /// - Parameter sketches: by sense.
    public func recall(_ sketches: [String: SenseSketch]) -> Recall {
        var recall = Recall(sketches: sketches)
        for (name, sketch) in sketches {
            guard let sense = senses[name] else { continue }
            var evidence: [Int: Double] = [:]
            for example in examples {
                guard let similarity = example.sketches[name]?.similarity(to: sketch) else { continue }
                evidence[example.label] = max(evidence[example.label] ?? -.infinity, (similarity - sense.mean) / sense.deviation)
            }
            guard let most = evidence.values.max() else { continue }
            let range = Self.bounds.firstIndex { most < $0 } ?? Self.bounds.count
            recall.opinions[name] = .init(evidence: evidence, range: range, weight: sense.weights[range])
        }
        return recall
    }

    /// Adds an example of a name, and learns how far what was recalled for it counts.
    /// - Parameters:
    ///   - recall: what was recalled when the moment was predicted.
    ///   - model: the model's probabilities of all labels then.
    ///   - label: below their number.
    public mutating func learn(_ recall: Recall, model: [Float], label: Int, source: String, moment: String) {
        guard capacity > 0, model.indices.contains(label), !recall.sketches.isEmpty else { return }
        weigh(recall, model, label)
        forgetMistaken(recall.sketches, label, moment)
        for example in examples where example.label != label {
            for (name, similarity) in Self.similarities(of: example, to: recall.sketches) { senses[name]?.note(similarity) }
        }
        for name in recall.sketches.keys where senses[name] == nil && senses.count < Self.mostSenses { senses[name] = Sense() }
        append(Example(label: label, source: source, moment: moment, sketches: recall.sketches))
    }

    private mutating func append(_ example: Example) {
        examples.append(example)
        bytes += example.bytes
        while examples.count > capacity || bytes > Self.mostBytes, !examples.isEmpty { discard() }
    }

    /// Replaces the model's probabilities by the mixture with what is recalled.
    public static func mix(_ recall: Recall, into probabilities: inout [Float]) {
        for (_, opinion) in recall.opinions.sorted(by: { $0.key < $1.key }) {
            let share = share(of: opinion, among: probabilities.count)
            guard let share else { continue }
            for i in probabilities.indices {
                probabilities[i] = Float((1 - opinion.weight) * Double(probabilities[i]) + opinion.weight * (share[i] ?? 0))
            }
        }
    }

    /// An opinion as probabilities, by label; nil where none of its labels is below `count`.
    private static func share(of opinion: Recall.Opinion, among count: Int) -> [Int: Double]? {
        let known = opinion.evidence.filter { (0..<count).contains($0.key) }
        guard let most = known.values.max() else { return nil }
        // In one order, so that sums are the same, to the bit.
        let parts = known.sorted { $0.key < $1.key }.map { ($0.key, exp(sharpness * ($0.value - most))) }
        let sum = parts.reduce(0) { $0 + $1.1 }
        return Dictionary(uniqueKeysWithValues: parts.map { ($0.0, $0.1 / sum) })
    }

    /// One step of expectation maximisation for the weights of all senses that had an opinion.
    private mutating func weigh(_ recall: Recall, _ model: [Float], _ label: Int) {
        var before = Double(model[label])
        for (name, opinion) in recall.opinions.sorted(by: { $0.key < $1.key }) {
            guard let share = Self.share(of: opinion, among: model.count), var sense = senses[name] else { continue }
            let own = share[label] ?? 0, mixed = (1 - opinion.weight) * before + opinion.weight * own
            guard mixed.isFinite, mixed > 0 else { continue }
            let weight = sense.weights[opinion.range], responsibility = weight * own / max(1e-12, (1 - weight) * before + weight * own)
            sense.uses[opinion.range] = min(sense.uses[opinion.range] + 1, Self.weightWindow)
            let moved = weight + (responsibility - weight) / sense.uses[opinion.range]
            sense.weights[opinion.range] = min(0.999, max(0.001, moved))
            senses[name] = sense
            before = mixed
        }
    }

    /// Forgets another name of the same moment, and examples of other names that are as similar as if they were of this one.
    private mutating func forgetMistaken(_ sketches: [String: SenseSketch], _ label: Int, _ moment: String) {
        let senses = senses
        remove { example in
            if example.moment == moment { return true }
            guard example.label != label else { return false }
            let found = Self.similarities(of: example, to: sketches)
            return !found.isEmpty
                && found.allSatisfy { name, similarity in
                    senses[name].map { (similarity - $0.mean) / $0.deviation >= Self.certain } ?? false
                }
        }
    }

    private static func similarities(of example: Example, to sketches: [String: SenseSketch]) -> [(String, Double)] {
        sketches.sorted { $0.key < $1.key }.compactMap { name, sketch in
            example.sketches[name]?.similarity(to: sketch).map { (name, $0) }
        }
    }

    private mutating func discard() {
        var counts: [Int: Int] = [:]
        for example in examples { counts[example.label, default: 0] += 1 }
        let most = counts.values.max() ?? 0
        if let place = examples.firstIndex(where: { counts[$0.label] == most }) { bytes -= examples.remove(at: place).bytes }
    }

    /// Forgets the examples of a source; nil: all, and what was learned of the senses.
    /// - Returns: how many there were.
    @discardableResult
    public mutating func forget(source: String?) -> Int {
        let before = examples.count
        guard let source else {
            self = LabelMemory(capacity: capacity)
            return before
        }
        remove { $0.source == source }
        return before - examples.count
    }

    private mutating func remove(where isUnwanted: (Example) -> Bool) {
        examples.removeAll(where: isUnwanted)
        bytes = examples.reduce(0) { $0 + $1.bytes }
    }
}

extension LabelMemory {
    /// The names of what was learned of senses, for a saved state.
    var learnedSenses: [String: Sense] { senses }

    /// A memory of saved parts.
    init(capacity: Int, examples: [Example], senses: [String: Sense]) {
        self.init(capacity: capacity)
        self.senses = senses
        for example in examples { append(example) }
    }
}
