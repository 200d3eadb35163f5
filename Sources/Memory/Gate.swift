import Foundation

/// Decides how much the evidence counts beside the trunk: the probability that the next token is a candidate, given that it is none of
/// the candidates before.
///
/// Every kind of evidence has a state (how often, how recently, how long a match), and every state an estimate of its probability,
/// learned from what came. The estimates and the trunk's probability are mixed in the logistic domain, stretch(p) = ln(p / (1 − p)),
/// by mixers that each select their weights by a small context; a last mixer combines theirs. All learn online from the log-loss:
///
///     p = squash(Σ wᵢ stretch(pᵢ));  wᵢ ← wᵢ + η (hit − p) stretch(pᵢ)
///
/// Source: M. Mahoney, Adaptive Weighing of Context Models for Lossless Data Compression, 2005,
/// https://cs.fit.edu/~mmahoney/compression/cs200516.pdf
struct Gate: Sendable {
    /// The trunk, the orders of contexts, the longest match.
    typealias Inputs = SIMD8<Float>

    /// One question: is the next token this candidate?
    struct Decision: Sendable {
        var token: Int32
        /// The state of the evidence of each input; −1 where there is none.
        var states = SIMD8<Int32>(repeating: -1)
        /// The context of each mixer, and of the last.
        var contexts = SIMD4<Int32>(repeating: 0)
        var inputs = Inputs.zero
        var mixed = SIMD4<Float>.zero
        /// The probability that it is.
        var probability: Float = 0
    }

    private static let orders = TokenHistory.orders.count
    /// Classes of counts: 0, 1, 2, up to 4, up to 9, more.
    private static let classes = 6
    /// States of an order (class of the candidate's count, of the others', newest) and of the match (length, whether it is expected).
    private static let states = 72
    private static let lengths = 9
    private static let mixers = 3
    private static let choices = 24

    /// The learned numbers: estimates and how often each was used, weights and how often each was used.
    private(set) var estimates: [Float]
    private(set) var estimateUses: [Float]
    private(set) var weights: [Inputs]
    private(set) var weightUses: [Float]
    private(set) var lastWeights: [SIMD4<Float>]
    private let rate: Float

    /// - Parameter rate: η.
    init(rate: Double) {
        precondition(Self.orders + 2 == Inputs.scalarCount && Self.classes * Self.classes * 2 == Self.states, "sizes of the gate")
        self.rate = Float(rate)
        estimates = (0..<Inputs.scalarCount * Self.states).map { Self.expected(input: $0 / Self.states, state: $0 % Self.states) }
        estimateUses = Array(repeating: 0, count: estimates.count)
        // The trunk knows most, and the estimates overlap.
        var weight = Inputs(repeating: 0.12)
        (weight[0], weight[Inputs.scalarCount - 1]) = (0.8, 0.15)
        weights = Array(repeating: weight, count: Self.mixers * Self.choices)
        weightUses = Array(repeating: 0, count: weights.count)
        lastWeights = Array(repeating: SIMD4(1, 1, 1, 0) / 3, count: Self.lengths)
    }

    /// The estimate of a state before anything is learned.
    private static func expected(input: Int, state: Int) -> Float {
        if input == orders + 1 {
            let length = Float(state % 36)
            return state < 36 ? 1 - 0.6 / (length + 1) : 0.3 / (length + 1)
        }
        let isNewest = state % 2 == 1, seen = Float(state / 2 / classes), others = Float(state / 2 % classes)
        return (seen + (isNewest ? 0.6 : 0.03)) / (seen + others + 1.2) * (1 - 0.4 / Float(max(1, input)))
    }

    private static func countClass(_ n: Int) -> Int { n <= 2 ? n : n <= 4 ? 3 : n <= 9 ? 4 : 5 }
    private static func lengthClass(_ n: Int) -> Int { n <= 3 ? n : n <= 5 ? 4 : n <= 8 ? 5 : n <= 15 ? 6 : n <= 30 ? 7 : 8 }

    /// - Parameters:
    ///   - candidate: the candidate.
    ///   - trunk: the trunk's probability of it, given that it is none of the candidates before.
    func decide(_ candidate: Evidence.Candidate, trunk: Double, _ evidence: Evidence) -> Decision {
        var decision = Decision(token: candidate.token)
        for order in 0..<Self.orders where evidence.totals[order] > 0 {
            let own = Self.countClass(candidate.counts[order])
            let others = Self.countClass(evidence.totals[order] - candidate.counts[order])
            decision.states[order + 1] = Int32((own * Self.classes + others) * 2 + (candidate.isNewest[order] ? 1 : 0))
        }
        let (length, isExpected) = (evidence.match.length, evidence.match.token == candidate.token)
        if length > 0 { decision.states[Self.orders + 1] = Int32(isExpected ? length : 36 + length % 36) }

        decision.inputs[0] = Self.stretch(Float(min(1 - 1e-7, max(1e-9, trunk))))
        for input in 1..<Inputs.scalarCount where decision.states[input] >= 0 {
            decision.inputs[input] = Self.stretch(estimates[input * Self.states + Int(decision.states[input])])
        }
        let order = evidence.highestOrder(of: candidate)
        decision.contexts = SIMD4(
            Int32(Self.lengthClass(length) * 2 + (isExpected ? 1 : 0)), Int32(min(15, max(0, decision.inputs[0] + 8))),
            Int32(order * 3 + Self.agreement(candidate, evidence, order)), Int32(isExpected ? Self.lengthClass(length) : 0))
        for mixer in 0..<Self.mixers {
            let weight = weights[mixer * Self.choices + Int(decision.contexts[mixer])]
            decision.mixed[mixer] = Self.clamp((weight * decision.inputs).sum())
        }
        let last = lastWeights[Int(decision.contexts[Self.mixers])]
        decision.probability = Self.squash(Self.clamp((last * decision.mixed).sum()))
        return decision
    }

    /// Whether the candidate always followed the longest context that it followed (1), or followed its newest occurrence (2).
    private static func agreement(_ candidate: Evidence.Candidate, _ evidence: Evidence, _ order: Int) -> Int {
        guard order > 0 else { return 0 }
        if candidate.counts[order - 1] == evidence.totals[order - 1] { return 1 }
        return candidate.isNewest[order - 1] ? 2 : 0
    }

    /// Learns whether the next token was the candidate.
    mutating func learn(_ decision: Decision, hit: Bool) {
        let target: Float = hit ? 1 : 0
        for input in 1..<Inputs.scalarCount where decision.states[input] >= 0 {
            let i = input * Self.states + Int(decision.states[input])
            estimateUses[i] = min(estimateUses[i] + 1, Self.memory)
            let moved = estimates[i] + (target - estimates[i]) / (estimateUses[i] + 2)
            estimates[i] = min(1 - 1e-4, max(1e-4, moved))
        }
        for mixer in 0..<Self.mixers {
            let i = mixer * Self.choices + Int(decision.contexts[mixer])
            weightUses[i] = min(weightUses[i] + 1, 1e6)
            let step = rate * (1 + 4 / (1 + weightUses[i] / 20)) * (target - Self.squash(decision.mixed[mixer]))
            weights[i] += step * decision.inputs
        }
        lastWeights[Int(decision.contexts[Self.mixers])] += rate / 10 * (target - decision.probability) * decision.mixed
    }

    /// The number of uses over which an estimate is averaged.
    private static let memory: Float = 30

    private static func stretch(_ p: Float) -> Float { log(p / (1 - p)) }
    private static func squash(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
    private static func clamp(_ x: Float) -> Float { max(-12, min(12, x)) }

    // MARK: State

    /// All learned numbers.
    var numbers: [Float] {
        estimates + estimateUses + weights.flatMap { weight in weight.indices.map { weight[$0] } } + weightUses
            + lastWeights.flatMap { weight in weight.indices.map { weight[$0] } }
    }

    /// - Returns: whether the numbers fit.
    mutating func restore(_ numbers: [Float]) -> Bool {
        guard numbers.count == self.numbers.count, numbers.allSatisfy(\.isFinite) else { return false }
        var rest = numbers[...]
        func take(_ count: Int) -> ArraySlice<Float> {
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        let (newEstimates, newUses) = (Array(take(estimates.count)), Array(take(estimateUses.count)))
        guard newEstimates.allSatisfy({ $0 > 0 && $0 < 1 }) else { return false }
        (estimates, estimateUses) = (newEstimates, newUses)
        for i in weights.indices { weights[i] = Inputs(take(Inputs.scalarCount)) }
        weightUses = Array(take(weightUses.count))
        for i in lastWeights.indices { lastWeights[i] = SIMD4(take(4)) }
        return true
    }
}
