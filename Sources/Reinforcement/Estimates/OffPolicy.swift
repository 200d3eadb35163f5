import Foundation
import Statistics

/// Off-policy estimates of the mean reward that another policy would have received, from a log of choices with their probabilities.
///
///     IPS  = mean(w r),  w = π(a|x) / p(a|x)
///     SNIPS = Σ w r / Σ w
///     DR   = mean(Σ_b π(b|x) q(x, b) + w (r − q(x, a)))
///
/// q is a ridge regression of the rewards of each choice, fitted on the half of the log to which it is not applied (cross-fitting).
/// https://arxiv.org/abs/1103.4601, https://papers.nips.cc/paper/2015/hash/39027dfad5138c9ca0c474d71db915c3-Abstract.html
public struct OffPolicyEstimate: Sendable, Equatable, Codable {
    /// An estimate and its standard error.
    public struct Figure: Sendable, Equatable, Codable {
        public var mean: Double
        public var error: Double

        public init(mean: Double, error: Double) {
            self.mean = mean
            self.error = error
        }
    }

    public var inversePropensity: Figure
    public var selfNormalized: Figure
    public var doublyRobust: Figure
    /// (Σ w)² / Σ w²: the effective sample size.
    public var effectiveCount: Double
    public var count: Int

    /// The terms of one decision.
    struct Case {
        /// w
        var weight: Double
        var reward: Double
        /// q(x, a) of the choice a that was taken.
        var chosen: Double
        /// Σ_b π(b|x) q(x, b).
        var expected: Double
    }

    init(_ cases: [Case]) {
        let total = cases.reduce(0) { $0 + $1.weight }, squares = cases.reduce(0) { $0 + $1.weight * $1.weight }
        inversePropensity = Self.figure(cases.map { $0.weight * $0.reward })
        doublyRobust = Self.figure(cases.map { $0.expected + $0.weight * ($0.reward - $0.chosen) })
        let normalized = total > 0 ? cases.reduce(0) { $0 + $1.weight * $1.reward } / total : 0
        let spread = cases.reduce(0) { sum, one in sum + pow(one.weight * (one.reward - normalized), 2) }
        selfNormalized = Figure(mean: normalized, error: total > 0 ? spread.squareRoot() / total : 0)
        effectiveCount = squares > 0 ? total * total / squares : 0
        count = cases.count
    }

    private static func figure(_ terms: [Double]) -> Figure {
        var moments = RunningMoments()
        for term in terms { moments.add(term) }
        return Figure(mean: moments.mean, error: terms.isEmpty ? 0 : (moments.variance / Double(terms.count)).squareRoot())
    }
}

extension OffPolicyEstimate {
    /// Estimates the mean reward of a target policy.
    /// - Parameters:
    ///   - log: the logged decisions; those without a choice are skipped.
    ///   - choices: the number of choices.
    ///   - ridge: λ of the regressions.
    ///   - probabilities: returns the target policy's probability of each choice.
    public init(_ log: [LoggedDecision], choices: Int, ridge: Double = 1, of probabilities: (LoggedDecision) -> [Double]) {
        let usable = log.filter { $0.choice.map { (0..<choices).contains($0) } == true && $0.logProbability.isFinite }
        let models = RewardModels(usable, choices: choices, ridge: ridge)
        self.init(
            usable.enumerated().map { index, one in
                let target = probabilities(one), choice = one.choice ?? 0
                let q = models.predictions(index, one.observation)
                return Case(
                    weight: target[choice] / exp(one.logProbability), reward: one.reward, chosen: q[choice],
                    expected: zip(target, q).reduce(0) { $0 + $1.0 * $1.1 })
            })
    }
}

/// A regression of rewards for each choice, fitted on the decisions of even and of odd index separately: each half is predicted by the
/// regressions of the other.
private struct RewardModels {
    private var halves: [[RidgeRegression]]

    init(_ log: [LoggedDecision], choices: Int, ridge: Double) {
        let inputs = log.first?.observation.count ?? 0
        halves = Array(repeating: Array(repeating: RidgeRegression(inputs: inputs, ridge: ridge), count: choices), count: 2)
        for (index, one) in log.enumerated() { halves[index % 2][one.choice ?? 0].learn(one.observation, one.reward) }
    }

    func predictions(_ index: Int, _ observation: [Float]) -> [Double] { halves[1 - index % 2].map { $0.prediction(observation) } }
}
