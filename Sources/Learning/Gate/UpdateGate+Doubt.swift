import Foundation

/// What a gate makes of a serving version that suddenly misses: a world that has changed, or labels that are not true?
extension UpdateGate {
    struct Doubt: Codable {
        /// The labelled moments before it.
        var began: Int
        /// So much evidence that chance is no explanation.
        var isGrave = false
        /// How many times as long as at first a learner may go on until it is put back: a world that is hard to learn takes its time.
        var patience = 1

        mutating func waitLonger() { patience = 2 }
    }

    /// What must be gained on moments that surprise, in the mean probability of their labels, over at most how many, and how much of it anchors may pay.
    private static let leastGain = 0.05, surprising = 32, mostPaid = 0.5

    /// Whether what serves misses more than usual.
    func wonder(_ isRight: Bool) {
        guard configuration.surpriseAbove > 0 else { return }
        surprise.add(isRight: isRight, threshold: configuration.surpriseAbove)
        guard surprise.evidence >= configuration.surpriseAbove else { return }
        doubt = doubt ?? Doubt(began: labelled - surprise.lasts)
        if surprise.evidence >= 2 * configuration.surpriseAbove { doubt?.isGrave = true }
    }

    var surprisingPairs: ArraySlice<Pair> {
        pairs.suffix(min(Self.surprising, labelled - (doubt?.began ?? labelled)))
    }

    static func meanProbability(_ losses: [Double]) -> Double { losses.reduce(0) { $0 + exp(-$1) } / Double(max(1, losses.count)) }

    /// Why a candidate does not explain what surprises; nil where it does, or nothing surprises. Beside it: whether it explains it and has lost what was known.
    func unexplained(_ candidateOnAnchors: [Double]) -> (reason: String, isContradicted: Bool)? {
        guard let doubt else { return nil }
        let since = "for \(labelled - doubt.began) moments the serving version has been wrong more often than usual"
        guard surprise.evidence > 0 else { return (since + ", and is no more", false) }
        let pairs = surprisingPairs
        guard pairs.count >= Self.least else { return (since + "; it is too soon to tell why", false) }
        let gain = Self.meanProbability(pairs.map(\.candidate)) - Self.meanProbability(pairs.map(\.serving))
        let paid =
            candidateOnAnchors.isEmpty ? 0 : Self.meanProbability(lossesOnAnchors(serving)) - Self.meanProbability(candidateOnAnchors)
        guard gain >= Self.leastGain, paid <= Self.mostPaid * gain else {
            return (
                since + "; what was learned gains \(rounded(gain)) there and pays \(rounded(paid)) on old moments", gain >= Self.leastGain
            )
        }
        return nil
    }
}
