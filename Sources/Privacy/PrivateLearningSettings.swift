import Statistics

/// Learning with differential privacy: what the shared model reveals about one unit of its data is bounded.
///
/// Two streams are neighbours where they differ in what one unit holds. That there was a moment, when, in which session and when its label
/// came is no secret.
public struct PrivateLearningSettings: Codable, Sendable, Equatable {
    /// What the bound is about.
    public enum Unit: String, Codable, Sendable, CaseIterable {
        /// One moment with its label and words.
        case moment
        /// All moments of a session.
        case session
        /// All moments of the sessions of a person, as `privacy.persons` names them; a session of nobody is a unit by itself.
        case person
    }

    /// How a step's units are chosen.
    public enum Sampling: String, Codable, Sendable, CaseIterable {
        /// Each unit of the pool with the same probability, independently of all others.
        case poisson
        /// Moments as they come, each in one step: nothing is sampled, so the probability is 1.
        case order
    }

    /// Whether the shared model learns with noise.
    public var enabled = false
    public var unit = Unit.moment
    public var sampling = Sampling.poisson
    /// The budget: learning stops before a step that would spend more.
    public var epsilon = 8.0
    /// The probability with which the bound may not hold.
    public var delta = 1e-5
    /// σ: the deviation of the noise in units of `clip`.
    public var noise = 1.0
    /// C: the norm that the gradient of one unit is clipped to.
    public var clip = 1.0
    /// The expected number of units of a step; in their order, the number of moments.
    public var batch = 32
    /// The most moments that steps are sampled from; of more, each is among them with the same probability.
    public var pool = 2_048
    /// The number of units in the pool before the first step: the sampling rate is at most `batch / start`.
    public var start = 512
    /// The number of moments between two steps.
    public var every = 4
    /// The most moments of a unit in one step.
    public var unitMoments = 8

    public init() {}

    /// The unit that a moment belongs to; nil where it is one by itself.
    public func unit(of session: String, _ persons: [PersonSources]) -> String? {
        switch unit {
        case .moment: nil
        case .session: "session \(session)"
        case .person:
            persons.first { $0.sessions?.contains(session) == true }.map { "person \($0.person)" } ?? "session \(session)"
        }
    }

    var problems: [SettingsError] {
        var ranges = RangeProblems()
        ranges.require("epsilon", epsilon, in: 1e-3...1_000)
        ranges.require("delta", delta, in: 1e-15...0.1)
        ranges.require("noise", noise, in: 0.1...1_000)
        ranges.require("clip", clip, in: 1e-6...1e6)
        ranges.require("batch", batch, in: 1...4_096)
        ranges.require("pool", pool, in: 1...1_000_000)
        ranges.require("start", start, in: 1...1_000_000)
        ranges.require("every", every, in: 1...100_000)
        ranges.require("unitMoments", unitMoments, in: 1...1_024)
        var found = ranges.found
        let (key, least) = sampling == .poisson ? ("start", start) : ("batch", batch)
        if least > pool { found.append(SettingsError(key, "\(least) are more than fit into the pool of \(pool)")) }
        return found
    }
}
