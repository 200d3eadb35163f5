import Tensors

/// A part of a moment: a row of a sense (a patch of a picture, a frame of a sound), or a word of the text.
public struct MomentPart: Hashable, Sendable {
    /// The modality.
    public var modality: String
    /// The row, or the number of the word, from 0.
    public var index: Int

    public init(_ modality: String, _ index: Int) {
        self.modality = modality
        self.index = index
    }
}

/// The contribution of each part of a moment to a decision, in nats of the decided class's log-probability.
public struct PartsExplanation: Codable, Sendable, Equatable {
    /// How contributions are computed.
    public enum Method: String, Codable, Sendable, CaseIterable {
        /// Integrated gradients along the straight line from nothing to the moment; they sum to ln p of the moment − ln p of nothing.
        /// https://arxiv.org/abs/1703.01365
        case integrated
        /// The exact change of ln p when the part alone is taken out.  https://arxiv.org/abs/1311.2901
        case occlusion
        /// Gradient times input, at the moment itself.  https://arxiv.org/abs/1605.01713
        case gradient
    }

    /// The class that is explained.
    public var decided: Int
    /// ln p of that class for the moment, and without any of its rows and words.
    public var whole, nothing: Double
    /// By modality, the contribution of each row or word, in order.
    public var parts: [String: [Double]]
    /// The tokens of the text that each word consists of.
    public var words: [Range<Int>]

    /// The most parts of a moment that a running graph explains.
    public static let most = 1_024
}

/// Computes the contributions of the parts of a moment: a model recorded with a share of each row and word, 1 where all of it is there.
///
/// Nothing is what the model knows as absence, since readings that are too short or missing look like that: rows that are masked, where the
/// encoder multiplies by the mask (`dense`), else rows of zeros; of the text, embeddings of zeros, the mean over no words. The line from
/// nothing to the moment scales the masks or rows, and the words, by the same share. It has one owner, as any graph.
public final class PartsExplainer<S: Scalar> {
    /// The model.
    public let model: MultimodalModel
    /// The number of variants of a moment that one pass computes.
    public let batch: Int
    private let graph: Graph<S>
    private let inputs: MultimodalInputs<S>
    private let logits: Tensor<S>

    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: its parameters, read at every call and never changed.
    ///   - batch: the number of variants of a moment that one pass computes.
    public init(_ model: MultimodalModel, parameters: ParameterStore<S>, batch: Int = 8) {
        self.model = model
        self.batch = batch
        graph = .predicting(parameters: parameters)
        inputs = MultimodalInputs(model.configuration, batch: batch, languageRows: 0, sharing: true, in: graph)
        logits = model.fusion.classify(model.percepts(inputs, in: graph), in: graph).logits
    }

    /// The parts of a moment that the model reads: rows of the senses in the order of the configuration, then words.
    public func parts(of moment: MomentInput) -> [MomentPart] {
        model.configuration.modalities.flatMap { name in (0..<count(of: name, in: moment)).map { MomentPart(name, $0) } }
    }

    /// The contribution of each part to a class.
    ///
    /// - Parameters:
    ///   - moment: one that the configuration accepts.
    ///   - class: the class that is explained; by default the most probable one.
    ///   - method: how contributions are computed.
    ///   - steps: of the integral, from which the error of the sum falls.
    public func explain(
        _ moment: MomentInput, class decided: Int? = nil, by method: PartsExplanation.Method = .integrated, steps: Int = 32
    ) -> PartsExplanation {
        let decided = decided ?? mostLikely(moment)
        let parts = parts(of: moment)
        let ends = logProbabilities(of: moment, class: decided, without: [[], Set(parts)], hidingEmptied: false)
        let all: [String: [Double]]
        switch method {
        case .integrated: all = integrate(moment, decided, points: Self.points(steps), throughMasks: true)
        case .gradient: all = integrate(moment, decided, points: [(share: 1, weight: 1)], throughMasks: false)
        case .occlusion:
            let without = logProbabilities(of: moment, class: decided, without: parts.map { [$0] })
            all = zip(parts, without).reduce(into: [:]) { $0[$1.0.modality, default: []].append(ends[0] - $1.1) }
        }
        return PartsExplanation(
            decided: decided, whole: ends[0], nothing: ends[1], parts: all, words: inputs.hashing.words(of: moment.text))
    }

    /// ln p of a class for a moment without some of its parts. A modality without any part is missing.
    ///
    /// - Parameters:
    ///   - moment: one that the configuration accepts.
    ///   - class: the class.
    ///   - removed: for each result, the parts that are taken out.
    public func logProbabilities(of moment: MomentInput, class decided: Int, without removed: [Set<MomentPart>]) -> [Double] {
        logProbabilities(of: moment, class: decided, without: removed, hidingEmptied: true)
    }

    private func logProbabilities(
        of moment: MomentInput, class decided: Int, without removed: [Set<MomentPart>], hidingEmptied: Bool
    ) -> [Double] {
        passes(removed.count).flatMap { pass in
            for (row, variant) in pass.enumerated() { set(moment, row: row, without: removed[variant], hidingEmptied: hidingEmptied) }
            graph.forward()
            return pass.indices.map { logProbability(row: $0 - pass.startIndex, decided) }
        }
    }

    /// Σ over points of weight · d ln p / d share · share of each row and word.
    private func integrate(
        _ moment: MomentInput, _ decided: Int, points: [(share: Double, weight: Double)], throughMasks: Bool
    ) -> [String: [Double]] {
        let names = model.configuration.modalities.filter { count(of: $0, in: moment) > 0 }
        var sums = Dictionary(uniqueKeysWithValues: names.map { ($0, Array(repeating: 0.0, count: count(of: $0, in: moment))) })
        for pass in passes(points.count) {
            for (row, point) in pass.enumerated() { set(moment, row: row, share: points[point].share) }
            graph.forward()
            seed(pass.map { points[$0].weight }, decided)
            graph.backward(seeded: [logits])
            for row in 0..<pass.count {
                for (index, sense) in model.configuration.senses.enumerated() where sums[sense.name] != nil {
                    add(gradients(of: inputs.senses[index], row: row, throughMask: throughMasks), to: &sums[sense.name]!)
                }
                if sums[MultimodalConfiguration.textName] != nil {
                    add(wordGradients(row: row), to: &sums[MultimodalConfiguration.textName]!)
                }
            }
        }
        return sums
    }

    /// Midpoints of t in 0…1 for the share t²: near nothing, where layers normalise what is small, the points are closest.
    private static func points(_ steps: Int) -> [(share: Double, weight: Double)] {
        precondition(steps > 0, "an integral of \(steps) steps")
        return (0..<steps).map { step in
            let t = (Double(step) + 0.5) / Double(steps)
            return (t * t, 2 * t / Double(steps))
        }
    }

    /// d (Σ weights · ln p) / d logits: weight · (1 of the class − p).
    private func seed(_ weights: [Double], _ decided: Int) {
        let K = logits.columns
        for row in 0..<batch {
            let p = row < weights.count ? probabilities(row: row) : []
            for k in 0..<K {
                logits.gradient[row * K + k] = S(row < weights.count ? weights[row] * ((k == decided ? 1 : 0) - p[k]) : 0)
            }
        }
    }

    /// Of the rows of a sense.
    private func gradients(of sense: MultimodalInputs<S>.Sense, row: Int, throughMask: Bool) -> [Double] {
        guard let shares = sense.shares else { return [] }
        let rows = sense.mask.columns
        let isMasked = throughMask && sense.mask.needsGradient
        return (row * rows..<(row + 1) * rows).map { isMasked ? sense.mask.gradient[$0].primal : shares.gradient[$0].primal }
    }

    /// Of the words; what a pair gives belongs to its two words in equal parts.
    private func wordGradients(row: Int) -> [Double] {
        guard let shares = inputs.wordShares else { return [] }
        let limit = model.configuration.text.words
        let own = (row * limit..<(row + 1) * limit).map { shares.gradient[$0].primal * inputs.wordMask.values[$0].primal }
        var sums = Array(own.prefix(wordCount))
        for (pair, part) in own.dropFirst(wordCount).prefix(max(0, wordCount - 1)).enumerated() {
            sums[pair] += part / 2
            sums[pair + 1] += part / 2
        }
        return sums
    }

    private func add(_ numbers: [Double], to sums: inout [Double]) {
        for index in sums.indices where index < numbers.count { sums[index] += numbers[index] }
    }

    /// The number of words of the moment that was set last.
    private var wordCount = 0

    private func count(of modality: String, in moment: MomentInput) -> Int {
        guard modality == MultimodalConfiguration.textName else {
            let most = model.configuration.senses.first { $0.name == modality }?.rows ?? 0
            return min(most, moment.senses[modality]?.rows ?? 0)
        }
        return inputs.hashing.words(of: moment.text).count
    }

    private func passes(_ count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: batch).map { $0..<min($0 + batch, count) }
    }

    /// Sets a row of the batch to the moment with the same share of every row and word.
    private func set(_ moment: MomentInput, row: Int, share: Double) {
        inputs.set(moment, row: row, hiding: [], shifts: [])
        wordCount = inputs.hashing.words(of: moment.text).count
        for sense in inputs.senses {
            let rows = sense.mask.columns
            for place in row * rows..<(row + 1) * rows {
                let isMasked = sense.mask.needsGradient
                sense.shares?.values[place] = S(isMasked ? 1 : share)
                if isMasked { sense.mask.values[place] = sense.mask.values[place] * S(share) }
            }
        }
        let words = model.configuration.text.words
        for place in row * words..<(row + 1) * words { inputs.wordShares?.values[place] = S(share) }
    }

    /// Sets a row of the batch to the moment without some parts.
    /// - Parameter hidingEmptied: whether a modality without any part is missing, as it would be if it had never come.
    private func set(_ moment: MomentInput, row: Int, without removed: Set<MomentPart>, hidingEmptied: Bool) {
        var rest = moment
        let text = MultimodalConfiguration.textName
        let gone = inputs.hashing.words(of: moment.text).enumerated().filter { removed.contains(MomentPart(text, $0.offset)) }
        let taken = Set(gone.flatMap(\.element))
        if hidingEmptied, !taken.isEmpty { rest.text = moment.text.indices.filter { !taken.contains($0) }.map { moment.text[$0] } }
        let emptied = model.configuration.modalities.filter { name in
            let count = count(of: name, in: moment)
            return count > 0 && (0..<count).allSatisfy { removed.contains(MomentPart(name, $0)) }
        }
        inputs.set(rest, row: row, hiding: hidingEmptied ? Set(emptied) : [], shifts: [])
        for (sense, configured) in zip(inputs.senses, model.configuration.senses) {
            for index in 0..<configured.rows {
                let place = row * configured.rows + index, isGone = removed.contains(MomentPart(configured.name, index))
                sense.shares?.values[place] = S(isGone ? 0 : 1)
                // A mask that only hides is not on the line from nothing.
                if isGone, hidingEmptied || sense.mask.needsGradient { sense.mask.values[place] = .zero }
            }
        }
        let words = model.configuration.text.words
        let share = S(!hidingEmptied && emptied.contains(text) ? 0 : 1)
        for place in row * words..<(row + 1) * words { inputs.wordShares?.values[place] = share }
    }

    private func mostLikely(_ moment: MomentInput) -> Int {
        set(moment, row: 0, without: [], hidingEmptied: false)
        graph.forward()
        return probabilities(row: 0).argmax ?? 0
    }

    private func logProbability(row: Int, _ decided: Int) -> Double {
        let K = logits.columns, z = (row * K..<(row + 1) * K).map { logits.values[$0].primal }
        let top = z.max() ?? 0
        return z[decided] - top - Double.log(z.reduce(0) { $0 + Double.exp($1 - top) })
    }

    private func probabilities(row: Int) -> [Double] {
        (0..<logits.columns).map { Double.exp(logProbability(row: row, $0)) }
    }
}
