import Foundation

/// Scores of predicted probabilities of events that happened or did not.
///
/// All predictions are kept, at five bytes each, because ranks need them all; the caller bounds how many it adds.
public struct BinaryScores: Sendable {
    private var probabilities: [Float] = []
    private var outcomes: [Bool] = []

    public init() {}

    /// Adds one prediction.
    /// - Parameters:
    ///   - probability: 0…1; what is not a number counts as one half.
    ///   - happened: whether the event happened.
    public mutating func add(probability: Float, happened: Bool) {
        probabilities.append(probability.isNaN ? 0.5 : min(1, max(0, probability)))
        outcomes.append(happened)
    }

    public var count: Int { outcomes.count }

    /// The number of events that happened.
    public var positives: Int { outcomes.count { $0 } }

    /// The share of events that happened; nil before the first prediction.
    public var baseRate: Double? { count == 0 ? nil : Double(positives) / Double(count) }

    /// The probability that an event that happened was given a higher probability than one that did not, equal ones counting one half:
    /// the area under the receiver operating characteristic, from the sum of ranks. Nil unless there are both kinds.
    /// Source: Mann and Whitney 1947, https://doi.org/10.1214/aoms/1177730491
    public var areaUnderCurve: Double? {
        let positives = Double(positives), negatives = Double(count) - positives
        guard positives > 0, negatives > 0 else { return nil }
        var before = 0.0, ranks = 0.0
        for (size, happened) in groupsOfEqualProbability(ascending: true) {
            ranks += Double(happened) * (before + Double(size + 1) / 2)
            before += Double(size)
        }
        return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    }

    /// The mean over events that happened of the precision at their rank, equal probabilities being one rank; a random order gives the
    /// base rate. Nil unless an event happened.
    public var averagePrecision: Double? {
        let positives = positives
        guard positives > 0 else { return nil }
        var seen = 0, found = 0, sum = 0.0
        for (size, happened) in groupsOfEqualProbability(ascending: false) {
            (seen, found) = (seen + size, found + happened)
            sum += Double(happened) * Double(found) / Double(seen)
        }
        return sum / Double(positives)
    }

    /// The mean of −ln of the probability of what came, probabilities being held 10⁻⁶ away from 0 and 1; nil before the first prediction.
    public var logLoss: Double? {
        guard count > 0 else { return nil }
        let sum = zip(probabilities, outcomes).reduce(0.0) { sum, pair in
            let p = min(1 - 1e-6, max(1e-6, Double(pair.0)))
            return sum - log(pair.1 ? p : 1 - p)
        }
        return sum / Double(count)
    }

    /// The share of predictions on the right side of one half; nil before the first prediction.
    public var accuracy: Double? {
        guard count > 0 else { return nil }
        return Double(zip(probabilities, outcomes).count { ($0 >= 0.5) == $1 }) / Double(count)
    }

    /// Numbers of predictions with the same probability, and how many of these events happened, in order of the probability.
    private func groupsOfEqualProbability(ascending: Bool) -> [(size: Int, happened: Int)] {
        let order = probabilities.indices.sorted {
            ascending ? probabilities[$0] < probabilities[$1] : probabilities[$0] > probabilities[$1]
        }
        var groups: [(size: Int, happened: Int)] = []
        var last: Float?
        for index in order {
            if probabilities[index] != last { groups.append((0, 0)) }
            last = probabilities[index]
            groups[groups.count - 1].size += 1
            groups[groups.count - 1].happened += outcomes[index] ? 1 : 0
        }
        return groups
    }
}
