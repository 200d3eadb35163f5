import Statistics

/// A round of federated learning: participants have learned apart from weights that they shared, and agree on new ones.
///
///     w ← base + merge over k of cₖ · (wₖ − base),  cₖ = min(1, clip · median ‖wⱼ − base‖ / ‖wₖ − base‖)
///
/// Bounding norms keeps one participant from deciding alone.  Sun et al. 2019, https://arxiv.org/abs/1911.07963
public struct FederatedRound: Codable, Sendable, Equatable {
    public var rule = MergeRule.mean
    /// With `trimmed`, the share of participants left out at each end.
    public var trim = 0.25
    /// The greatest change that counts, in medians of all participants' changes; 0: any.
    public var clip = 0.0

    public init() {}

    /// Every setting that is invalid by itself, by key.
    public var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("trim", trim, in: 0...0.49)
        problems.require("clip", clip, in: 0...1_000)
        return problems.found
    }

    /// What a participant has learned.
    public struct Part {
        /// All its weights, in one order for all participants.
        public var weights: UnsafeBufferPointer<Float>
        /// How much it has learned, above 0.
        public var share: Double

        public init(_ weights: UnsafeBufferPointer<Float>, share: Double = 1) { (self.weights, self.share) = (weights, share) }
    }

    public struct Outcome: Sendable, Equatable {
        /// By participant, ‖wₖ − base‖; nil where a weight is not finite: it is left out.
        public var norms: [Double?]
        /// How many were bounded by `clip`.
        public var clipped = 0
    }

    /// Merges what participants have learned into the weights from which they began.
    /// - Parameters:
    ///   - parts: at most `mostParts`, of equal lengths; without one whose weights are finite, the base stays.
    ///   - base: changed to the new weights.
    @discardableResult
    public func merge(_ parts: [Part], into base: UnsafeMutableBufferPointer<Float>) -> Outcome {
        precondition(parts.count <= Self.mostParts && parts.allSatisfy { $0.weights.count == base.count && $0.share > 0 }, "other weights")
        let norms = parts.map { part -> Double? in
            var sum = 0.0
            for place in base.indices {
                let difference = Double(part.weights[place]) - Double(base[place])
                sum += difference * difference
            }
            return sum.isFinite ? sum.squareRoot() : nil
        }
        var outcome = Outcome(norms: norms)
        let known = norms.compactMap(\.self).sorted()
        guard !known.isEmpty else { return outcome }
        let bound = clip > 0 ? clip * (known[(known.count - 1) / 2] + known[known.count / 2]) / 2 : .infinity
        var kept: [(weights: UnsafeBufferPointer<Float>, share: Double, factor: Double)] = []
        for (part, norm) in zip(parts, norms) {
            guard let norm else { continue }
            if norm > bound { outcome.clipped += 1 }
            kept.append((part.weights, part.share, norm > bound ? bound / norm : 1))
        }
        var numbers = kept.map { (value: Float(0), weight: $0.share) }
        for place in base.indices {
            let start = Double(base[place])
            for (index, one) in kept.enumerated() {
                let weight = one.weights[place]
                // A change that is not bounded is not rounded either.
                numbers[index] = (one.factor == 1 ? weight : Float(start + one.factor * (Double(weight) - start)), one.share)
            }
            base[place] = rule.merge(&numbers, trim: trim)
        }
        return outcome
    }

    /// The most participants of a round.
    public static let mostParts = 1_024
}
