/// A stream that does not wait for its learner: its moments come at a fixed rate by a clock of its own, whatever learning them takes. So a
/// slower learner learns from fewer of them, and its parameters are ready later.
public struct PacedStream: Sendable {
    /// Moments a second.
    public let rate: Double
    /// Seconds that learning a moment takes.
    public let cost: Double

    /// - Parameters:
    ///   - rate: positive.
    ///   - cost: not negative.
    public init(rate: Double, cost: Double) {
        precondition(rate > 0 && cost >= 0, "\(rate) moments a second, \(cost) s each")
        (self.rate, self.cost) = (rate, cost)
    }

    /// What became of a stream.
    public struct Pass: Sendable, Equatable {
        /// Whether each moment was predicted rightly.
        public var right: [Bool] = []
        /// The number of moments learned.
        public var learned = 0
    }

    /// Predicts every moment as it arrives, by what is published, and learns it if the step before has ended.
    /// - Parameters:
    ///   - moments: in their order.
    ///   - isPredicted: whether a moment is predicted rightly by what is published.
    ///   - learn: learns a moment.
    ///   - publish: makes what was learned so far what predicts.
    public func run<Moment>(
        over moments: some Sequence<Moment>, isPredicted: (Moment) throws -> Bool, learn: (Moment) throws -> Void, publish: () -> Void
    ) rethrows -> Pass {
        var pass = Pass(), free = 0.0
        for (number, moment) in moments.enumerated() {
            let now = Double(number) / rate, isFree = now >= free
            if isFree { publish() }
            pass.right.append(try isPredicted(moment))
            guard isFree else { continue }
            try learn(moment)
            pass.learned += 1
            free = now + cost
        }
        return pass
    }
}
