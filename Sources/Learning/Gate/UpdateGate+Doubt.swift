import Foundation

/// How a gate handles a serving version with a suddenly higher error rate: the data may have changed, or labels may be wrong.
extension UpdateGate {
    struct Doubt: Codable {
        /// The number of labelled moments before it.
        var began: Int
        /// Whether the evidence is too strong for chance.
        var isGrave = false
        /// A factor of `disbeliefAfter`: a learner gets more time before it is reset a second time, as a change may be hard to learn.
        var patience = 1

        mutating func waitLonger() { patience = 2 }
    }

    /// The least gain of a candidate on surprising moments, in the mean probability of their labels; the maximal number of those
    /// moments; and the maximal cost on anchors, as a share of the gain.
    private static let leastGain = 0.05, surprising = 32, maximalCost = 0.5

    /// Updates the surprise by a scored moment, and begins a doubt if it exceeds the threshold.
    func updateSurprise(_ isRight: Bool) {
        guard configuration.surpriseAbove > 0 else { return }
        surprise.add(isRight: isRight, threshold: configuration.surpriseAbove)
        guard surprise.evidence >= configuration.surpriseAbove else { return }
        doubt = doubt ?? Doubt(began: labelled - surprise.lasts)
        if surprise.evidence >= 2 * configuration.surpriseAbove { doubt?.isGrave = true }
    }

    /// The losses on the last moments since the doubt began.
    var surprisingPairs: ArraySlice<Pair> {
        pairs.suffix(min(Self.surprising, labelled - (doubt?.began ?? labelled)))
    }

    static func meanProbability(_ losses: [Double]) -> Double { losses.reduce(0) { $0 + exp(-$1) } / Double(max(1, losses.count)) }

    /// Why a candidate must be refused because of a doubt, and whether it is better on the surprising moments but lost too much on
    /// anchors. Nil if there is no doubt, or the candidate is better on the surprising moments without losing on anchors.
    func unexplained(_ candidateOnAnchors: [Double]) -> (reason: String, isContradicted: Bool)? {
        guard let doubt else { return nil }
        let since = "for \(labelled - doubt.began) moments the serving version has been wrong more often than usual"
        guard surprise.evidence > 0 else { return (since + ", but is not any more", false) }
        let pairs = surprisingPairs
        guard pairs.count >= Self.least else { return (since + "; there are too few moments to know why", false) }
        let gain = Self.meanProbability(pairs.map(\.candidate)) - Self.meanProbability(pairs.map(\.serving))
        let cost =
            candidateOnAnchors.isEmpty ? 0 : Self.meanProbability(lossesOnAnchors(serving)) - Self.meanProbability(candidateOnAnchors)
        guard gain >= Self.leastGain, cost <= Self.maximalCost * gain else {
            return (
                since + "; the candidate gains \(rounded(gain)) in probability there and loses \(rounded(cost)) on old moments",
                gain >= Self.leastGain
            )
        }
        return nil
    }
}
