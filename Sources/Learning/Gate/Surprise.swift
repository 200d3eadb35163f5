import Foundation

/// Update surprise: evidence that the serving version is wrong more often than usual, because the data have changed or labels are wrong.
///
/// It is the CUSUM statistic (Page 1954, https://doi.org/10.1093/biomet/41.1-2.100): a cumulative sum of log-likelihood ratios, of an
/// error rate half way between the usual rate p and 1 against the rate p.
struct Surprise: Codable, Sendable, Equatable {
    /// The usual error rate on labelled moments, a slow mean; moments above the threshold do not count.
    private(set) var usual = 0.0
    private(set) var counted = 0
    /// In nats; 0 without evidence.
    private(set) var evidence = 0.0
    /// Labelled moments since the evidence last rose from zero, and its maximum since.
    private(set) var lasts = 0
    private(set) var peak = 0.0
    /// The number of moments of the mean, the least number of moments to know the usual rate, and the largest evidence, in thresholds.
    private static let memory = 128, least = 64, ceiling = 3.0

    /// Counts a labelled moment, predicted correctly or not.
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

    /// Resets the evidence and sets the usual error rate, when the cause of the errors is known.
    mutating func settle(usual: Double) {
        (self.usual, evidence, lasts, peak) = (usual, 0, 0, 0)
    }
}
