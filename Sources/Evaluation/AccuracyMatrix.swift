/// The accuracy matrix of continual learning, accuracy[i][j] on domain j after learning domain i, and the measures derived from it.
///
/// Lopez-Paz and Ranzato 2017, https://arxiv.org/abs/1706.08840; forgetting by Chaudhry et al. 2018, https://arxiv.org/abs/1801.10112
public struct AccuracyMatrix: Codable, Sendable, Equatable {
    public let domains: [String]
    /// The accuracies of the untrained model, by domain; nil if not measured.
    public private(set) var initial: [Double]?
    /// One row for each domain learned so far; numbers in 0…1.
    public private(set) var accuracy: [[Double]] = []

    /// - Parameters:
    ///   - domains: the names of all domains.
    ///   - initial: the accuracies of the untrained model by domain, needed for forward transfer.
    public init(domains: [String], initial: [Double]? = nil) {
        precondition(
            initial == nil || initial?.count == domains.count, "\(initial?.count ?? 0) initial accuracies of \(domains.count) domains")
        self.domains = domains
        self.initial = initial
    }

    /// Adds the accuracies on all domains after learning the next one.
    public mutating func append(_ row: [Double]) {
        precondition(row.count == domains.count, "\(row.count) accuracies of \(domains.count) domains")
        precondition(accuracy.count < domains.count, "all \(domains.count) domains are learned")
        accuracy.append(row)
    }

    /// The mean of the current accuracies on the domains learned so far. Nil before the first.
    public var averageAccuracy: Double? { accuracy.last.flatMap { mean($0.prefix(accuracy.count)) } }

    /// The mean, over all domains learned, of the average accuracy after each of them. Nil before the first.
    public var anytimeAccuracy: Double? {
        mean(accuracy.enumerated().map { index, row in mean(row.prefix(index + 1)) ?? 0 })
    }

    /// Backward transfer: the mean change of the accuracy on earlier domains by learning later ones; negative for forgetting. Nil before
    /// the second domain.
    public var backwardTransfer: Double? {
        guard let last = accuracy.last else { return nil }
        return mean((0..<accuracy.count - 1).map { last[$0] - accuracy[$0][$0] })
    }

    /// Forward transfer: the mean gain over the initial accuracy on domains not yet learned by learning earlier ones. Nil before the second
    /// domain, or without initial accuracies.
    public var forwardTransfer: Double? {
        guard let initial else { return nil }
        return mean((1..<max(1, accuracy.count)).map { accuracy[$0 - 1][$0] - initial[$0] })
    }

    /// Forgetting: the mean decrease from the best accuracy on each earlier domain. Nil before the second domain.
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
