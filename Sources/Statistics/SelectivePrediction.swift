/// Says when not to answer: the least confidence at which the newest answers were wrong no more often than is accepted.
///
/// Among the newest labelled answers the threshold is the least confidence τ such that, of those with confidence τ or more, the share
/// (errors + 1) / (answers + 1) is at most the accepted risk. Before so many labels have come that this can be, it is 1 − risk.
/// Source: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017, https://arxiv.org/abs/1705.08500
public struct SelectivePrediction: Codable, Sendable, Equatable {
    private struct Answer: Codable, Equatable {
        var confidence: Double
        var isRight: Bool
        /// Whether it was given as an answer then.
        var wasKnown: Bool
    }

    /// The share of answers that may be wrong.
    public let risk: Double
    /// The least confidence of an answer.
    public private(set) var threshold: Double
    private var newest: [Answer] = []
    private var next = 0

    /// The number of newest answers that decide.
    public static let window = 1_000

    /// - Parameter risk: 0…1; 1: everything is answered.
    public init(risk: Double) {
        precondition((0...1).contains(risk), "a risk of \(risk)")
        (self.risk, threshold) = (risk, 1 - risk)
    }

    /// Whether an answer of this confidence is given.
    public func isKnown(_ confidence: Double) -> Bool { risk >= 1 || confidence >= threshold }

    /// Learns whether an answer was right.
    public mutating func learn(confidence: Double, wasKnown: Bool, isRight: Bool) {
        let answer = Answer(confidence: confidence, isRight: isRight, wasKnown: wasKnown)
        if newest.count < Self.window {
            newest.append(answer)
        } else {
            newest[next] = answer
            next = (next + 1) % Self.window
        }
        guard newest.count >= fewest else { return }
        var errors = 0.0, answers = 0.0, found = Double.infinity
        let sorted = newest.sorted { $0.confidence > $1.confidence }
        for (place, one) in sorted.enumerated() {
            answers += 1
            if !one.isRight { errors += 1 }
            let isLast = place + 1 == sorted.count || sorted[place + 1].confidence < one.confidence
            if isLast, (errors + 1) / (answers + 1) <= risk { found = one.confidence }
        }
        threshold = found
    }

    /// The fewest answers, all of them right, after which the risk can be kept.
    private var fewest: Int { risk > 0 ? min(Self.window, Int(1 / risk) + 1) : Self.window }

    /// Of the newest labelled answers: the share that was given, and the share of errors among these; nil before the first.
    public var coverage: Double? { newest.isEmpty ? nil : Double(newest.count { $0.wasKnown }) / Double(newest.count) }
    public var errorRate: Double? {
        let known = newest.filter(\.wasKnown)
        return known.isEmpty ? nil : Double(known.count { !$0.isRight }) / Double(known.count)
    }
}
