import Foundation

/// Weights of experts by their losses: w ∝ prior · exp(−rate · Σ (loss − least) / mean of the least), older losses fading, and a small
/// share moved to all, so that an expert that becomes good is found again.
/// Source: Herbster and Warmuth 1998, Tracking the Best Expert, https://doi.org/10.1023/A:1007424614876
public struct ExpertWeights: Sendable {
    /// The weights; they sum to one.
    public private(set) var values: [Double]
    private var sums: [Double]
    /// The faded sums of the least losses and of examples.
    private var scale = 0.0, examples = 0.0
    private let prior: [Double]
    private let rate: Double, fading: Double, share: Double

    /// - Parameters:
    ///   - prior: the weights before any example, positive.
    ///   - rate: how strongly a loss weighs, in parts of the mean loss.
    ///   - fading: the factor by which losses fade with each example.
    ///   - share: the part of the weight that is spread over all experts.
    public init(prior: [Double], rate: Double = 0.05, fading: Double = 0.997, share: Double = 0.01) {
        precondition(!prior.isEmpty && prior.allSatisfy { $0 > 0 && $0.isFinite }, "weights \(prior)")
        let total = prior.reduce(0, +)
        self.prior = prior.map { $0 / total }
        values = self.prior
        sums = Array(repeating: 0, count: prior.count)
        (self.rate, self.fading, self.share) = (rate, fading, share)
    }

    /// Learns the experts' losses; losses that are not finite are passed over.
    public mutating func learn(_ losses: [Double]) {
        precondition(losses.count == values.count, "\(losses.count) losses of \(values.count) experts")
        guard losses.allSatisfy(\.isFinite) else { return }
        let least = losses.min() ?? 0
        scale = fading * scale + least
        examples = fading * examples + 1
        for i in sums.indices { sums[i] = fading * sums[i] + losses[i] }
        guard scale > 0, let best = sums.min() else { return }
        let raw = zip(prior, sums).map { $0 * exp(-rate * examples * ($1 - best) / scale) }, total = raw.reduce(0, +)
        guard total > 0 else { return }
        values = raw.map { (1 - share) * $0 / total + share / Double(raw.count) }
    }
}
