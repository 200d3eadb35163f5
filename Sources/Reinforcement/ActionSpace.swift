/// What can be decided.
public enum ActionSpace: Sendable, Equatable {
    /// One of so many.
    case choices(Int)
    /// So many numbers at once, each within its bounds.
    case controls([ClosedRange<Double>])

    /// How many numbers a policy's last layer tells of an action.
    public var width: Int {
        switch self {
        case .choices(let count): count
        case .controls(let bounds): bounds.count
        }
    }

    /// The bounds of controls; none for choices.
    public var bounds: [ClosedRange<Double>] {
        if case .controls(let bounds) = self { bounds } else { [] }
    }

    public var isDiscrete: Bool { if case .choices = self { true } else { false } }

    /// A number of −1 … 1 for each control, laid into its bounds; what is outside is clipped.
    public func bounded(_ unit: [Float]) -> [Float] {
        zip(unit, bounds).map { number, bounds in
            let half = (bounds.upperBound - bounds.lowerBound) / 2
            return Float(bounds.lowerBound + half * (1 + Double(min(1, max(-1, number)))))
        }
    }
}

/// One decision: what was done, how likely that was, and what is expected to come of it.
public struct Decision: Sendable, Equatable {
    /// Of choices.
    public var choice: Int?
    /// Of controls, within their bounds.
    public var values: [Float] = []
    /// Of controls: the numbers as they were drawn, before bounds.
    public var raw: [Float] = []
    /// Of texts.
    public var text: WrittenText?
    /// ln of the probability of the choice or the text, or of the density of `values`.
    public var logProbability: Double
    /// The policy's estimate of what follows; 0 where it makes none.
    public var value: Double

    public init(
        choice: Int? = nil, values: [Float] = [], raw: [Float] = [], text: WrittenText? = nil, logProbability: Double, value: Double
    ) {
        self.choice = choice
        self.values = values
        self.raw = raw
        self.text = text
        self.logProbability = logProbability
        self.value = value
    }
}

extension Decision {
    /// Whether all its numbers are, as they are learned from in single precision.
    public var isFinite: Bool {
        (values + raw + (text?.logProbabilities ?? [])).allSatisfy(\.isFinite) && Float(logProbability).isFinite && Float(value).isFinite
    }
}

/// One step of an environment as policies learn from it.
public struct Transition: Sendable, Equatable {
    public var observation: [Float]
    public var decision: Decision
    public var reward: Double
    /// What was observed after it.
    public var next: [Float]
    /// The policy's estimate of what follows `next`.
    public var nextValue: Double
    /// The episode ended here, and nothing follows.
    public var isTerminal: Bool
    /// The step after this one, in the same list, does not go on from it: the episode ended, was cut, or a step is missing.
    public var isLast: Bool

    public init(
        observation: [Float], decision: Decision, reward: Double, next: [Float], nextValue: Double, isTerminal: Bool, isLast: Bool
    ) {
        self.observation = observation
        self.decision = decision
        self.reward = reward
        self.next = next
        self.nextValue = nextValue
        self.isTerminal = isTerminal
        self.isLast = isLast
    }
}

extension Transition {
    /// Whether all its numbers are, as they are learned from in single precision.
    public var isFinite: Bool {
        observation.allSatisfy(\.isFinite) && next.allSatisfy(\.isFinite) && decision.isFinite
            && Float(reward).isFinite && Float(nextValue).isFinite
    }
}

extension [Transition] {
    /// The steps that can be learned from. Where one is left out, the run before it ends.
    var finite: [Transition] {
        guard !allSatisfy(\.isFinite) else { return self }
        var kept: [Transition] = []
        var endsRun = true  // a step left out at the front has nothing before it
        for step in self {
            if step.isFinite {
                kept.append(step)
                endsRun = step.isLast
            } else if !endsRun, let last = kept.indices.last {
                kept[last].isLast = true
                endsRun = true
            }
        }
        return kept
    }
}
