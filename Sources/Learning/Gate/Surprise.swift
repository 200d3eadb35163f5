import Foundation

/// Evidence that what serves is wrong more often than it used to be: in a world that has changed, or by labels that are not true.
///
/// A cumulative sum (Page 1954) of log-likelihood ratios, of being wrong half way between as often as usual and always against as often as usual.
struct Surprise: Codable, Sendable, Equatable {
    /// The share of labelled moments that are usually answered wrongly, a slow mean; what comes while there is surprise does not count.
    private(set) var usual = 0.0
    private(set) var counted = 0
    /// In nats; zero where all is as usual.
    private(set) var evidence = 0.0
    /// Labelled moments since the evidence last rose from zero, and the most it was since.
    private(set) var lasts = 0
    private(set) var peak = 0.0
    /// Over how many moments the mean goes, how many it takes to know what is usual, and how many thresholds evidence grows to.
    private static let memory = 128, least = 64, ceiling = 3.0

    mutating func add(isRight: Bool, threshold: Double) {
        if counted >= Self.least {
            let p = min(max(usual, 0.02), 0.98), q = (1 + p) / 2
            evidence = min(max(0, evidence + (isRight ? log((1 - q) / (1 - p)) : log(q / p))), Self.ceiling * threshold)
        }
        (lasts, peak) = evidence > 0 ? (lasts + 1, max(peak, evidence)) : (0, 0)
        guard evidence < threshold else { return }
        counted += 1
        usual += ((isRight ? 0 : 1) - usual) / Double(min(counted, Self.memory))
    }

    /// What surprised is understood: this is usual from now on.
    mutating func settle(usual: Double) {
        (self.usual, evidence, lasts, peak) = (usual, 0, 0, 0)
    }
}
