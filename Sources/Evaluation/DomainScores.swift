/// The domains of a stream in the order of their appearance, and the accuracies measured so far: the rows of an accuracy matrix.
///
/// Row i is measured when domain i ends, on domains 0 … i. The accuracy on a domain before it began is measured after its end, with a
/// copy of the model from its beginning, so that forward transfer requires no data of the future.
public struct DomainScores: Codable, Sendable, Equatable {
    public private(set) var domains: [String] = []
    public private(set) var rows: [[Double]] = []
    /// The accuracy on each finished domain of the model at the beginning of the domain.
    public private(set) var before: [Double] = []
    /// The accuracy on each finished domain of the model at the beginning of the stream.
    public private(set) var initial: [Double] = []

    public init() {}

    /// Adds a domain that has ended.
    /// - Parameters:
    ///   - domain: its name.
    ///   - accuracy: the current accuracies on all domains so far, the last on this one.
    ///   - before: the accuracy on this domain of the model at its beginning.
    ///   - initial: the accuracy on this domain of the model at the beginning of the stream.
    public mutating func end(_ domain: String, accuracy: [Double], before: Double, initial: Double) {
        precondition(accuracy.count == domains.count + 1, "\(accuracy.count) accuracies after \(domains.count + 1) domains")
        domains.append(domain)
        rows.append(accuracy)
        self.before.append(before)
        self.initial.append(initial)
    }

    /// The accuracy matrix. Accuracies on domains after the next one were not measured and are 0; no measure uses them.
    public var matrix: AccuracyMatrix {
        var matrix = AccuracyMatrix(domains: domains, initial: initial)
        for (index, row) in rows.enumerated() {
            let next = index + 1 < domains.count ? [before[index + 1]] : []
            matrix.append(row + next + Array(repeating: 0, count: domains.count - row.count - next.count))
        }
        return matrix
    }
}
