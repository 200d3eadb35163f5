/// Domains in the order in which a stream brings them, and what is known of each as it goes: the rows of an accuracy matrix.
///
/// Row i is measured when domain i ends, on domains 0 … i. What a model knew of a domain before it began is measured afterwards, with the model as it
/// was then, so forward transfer needs no sample of the future.
public struct DomainScores: Codable, Sendable, Equatable {
    public private(set) var domains: [String] = []
    public private(set) var rows: [[Double]] = []
    /// On each domain that has ended: by the model as it was when the domain began, and as it was at the very start.
    public private(set) var before: [Double] = []
    public private(set) var initial: [Double] = []

    public init() {}

    /// A domain has ended.
    /// - Parameters:
    ///   - accuracy: now, on every domain so far, this one last.
    public mutating func end(_ domain: String, accuracy: [Double], before: Double, initial: Double) {
        precondition(accuracy.count == domains.count + 1, "\(accuracy.count) accuracies after \(domains.count + 1) domains")
        domains.append(domain)
        rows.append(accuracy)
        self.before.append(before)
        self.initial.append(initial)
    }

    /// What was never measured, the far future, stands as 0; no measure reads it.
    public var matrix: AccuracyMatrix {
        var matrix = AccuracyMatrix(domains: domains, initial: initial)
        for (index, row) in rows.enumerated() {
            let next = index + 1 < domains.count ? [before[index + 1]] : []
            matrix.append(row + next + Array(repeating: 0, count: domains.count - row.count - next.count))
        }
        return matrix
    }
}
