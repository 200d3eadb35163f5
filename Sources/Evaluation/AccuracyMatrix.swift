/// What is known of every domain after each was learned: accuracy[i][j] on domain j after learning domain i, and what follows from it.
///
/// Lopez-Paz and Ranzato 2017, https://arxiv.org/abs/1706.08840; forgetting by Chaudhry et al. 2018, https://arxiv.org/abs/1801.10112
public struct AccuracyMatrix: Codable, Sendable, Equatable {
    public let domains: [String]
    /// Before anything was learned, by domain; nil where not measured.
    public private(set) var initial: [Double]?
    /// One row a domain learned so far; shares in 0…1.
    public private(set) var accuracy: [[Double]] = []

    /// - Parameter initial: accuracies of the untrained model, for forward transfer.
    public init(domains: [String], initial: [Double]? = nil) {
        precondition(
            initial == nil || initial?.count == domains.count, "\(initial?.count ?? 0) initial accuracies of \(domains.count) domains")
        self.domains = domains
        self.initial = initial
    }

    /// The accuracies on all domains, after the next one was learned.
    public mutating func append(_ row: [Double]) {
        precondition(row.count == domains.count, "\(row.count) accuracies of \(domains.count) domains")
        precondition(accuracy.count < domains.count, "all \(domains.count) domains are learned")
        accuracy.append(row)
    }

    /// Over the domains learned so far, now. Nil before the first.
    public var averageAccuracy: Double? { accuracy.last.flatMap { mean($0.prefix(accuracy.count)) } }

    /// The mean over time of the average accuracy on the domains learned until then.
    public var anytimeAccuracy: Double? {
        mean(accuracy.enumerated().map { index, row in mean(row.prefix(index + 1)) ?? 0 })
    }

    /// What learning later domains did to earlier ones: below 0 where it harmed. Nil before the second.
    public var backwardTransfer: Double? {
        guard let last = accuracy.last else { return nil }
        return mean((0..<accuracy.count - 1).map { last[$0] - accuracy[$0][$0] })
    }

    /// What earlier domains taught of later ones. Nil before the second, or without initial accuracies.
    public var forwardTransfer: Double? {
        guard let initial else { return nil }
        return mean((1..<max(1, accuracy.count)).map { accuracy[$0 - 1][$0] - initial[$0] })
    }

    /// The mean loss from each earlier domain's best. Nil before the second.
    public var forgetting: Double? {
        guard let last = accuracy.last else { return nil }
        return mean(
            (0..<accuracy.count - 1).map { domain in
                (accuracy.dropLast().map { $0[domain] }.max() ?? 0) - last[domain]
            })
    }
}

private func mean(_ numbers: some Collection<Double>) -> Double? {
    numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
}
