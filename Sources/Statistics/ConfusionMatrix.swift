/// A confusion matrix: how often each true class was answered with each class. It grows as classes appear, up to `limit` classes.
public struct ConfusionMatrix: Codable, Sendable, Equatable {
    public let limit: Int
    /// counts[truth][answer]
    public private(set) var counts: [[Int]] = []
    public private(set) var total = 0
    public private(set) var correct = 0

    public init(limit: Int = 1024) { self.limit = limit }

    /// Adds one answer; a class at or above `limit` is counted in the accuracy only.
    public mutating func add(truth: Int, answer: Int) {
        precondition(truth >= 0 && answer >= 0, "classes \(truth) and \(answer)")
        total += 1
        correct += truth == answer ? 1 : 0
        guard max(truth, answer) < limit else { return }
        while counts.count <= max(truth, answer) {
            for row in counts.indices { counts[row].append(0) }
            counts.append(Array(repeating: 0, count: counts.count + 1))
        }
        counts[truth][answer] += 1
    }

    /// Nil before the first answer.
    public var accuracy: Double? { total == 0 ? nil : Double(correct) / Double(total) }

    /// The fraction of the items of class `label` that were answered correctly; nil if there were none.
    public func recall(of label: Int) -> Double? {
        guard counts.indices.contains(label) else { return nil }
        let row = counts[label].reduce(0, +)
        return row == 0 ? nil : Double(counts[label][label]) / Double(row)
    }
}
