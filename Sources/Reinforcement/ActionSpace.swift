/// The set of possible actions.
public enum ActionSpace: Sendable, Equatable {
    /// Discrete: one of a number of choices.
    case choices(Int)
    /// Continuous: a vector of numbers, each within its bounds.
    case controls([ClosedRange<Double>])

    /// The number of outputs of a policy network.
    public var width: Int {
        switch self {
        case .choices(let count): count
        case .controls(let bounds): bounds.count
        }
    }

    /// The bounds of controls; empty for choices.
    public var bounds: [ClosedRange<Double>] {
        if case .controls(let bounds) = self { bounds } else { [] }
    }

    public var isDiscrete: Bool { if case .choices = self { true } else { false } }

    /// Maps a number in −1…1 for each control linearly to its bounds; numbers outside are clipped.
    public func bounded(_ unit: [Float]) -> [Float] {
        zip(unit, bounds).map { number, bounds in
            let half = (bounds.upperBound - bounds.lowerBound) / 2
            return Float(bounds.lowerBound + half * (1 + Double(min(1, max(-1, number)))))
        }
    }
}

/// A decision of a policy: the action, its log-probability and the value estimate.
public struct Decision: Sendable, Equatable {
    /// The choice, of a discrete action space.
    public var choice: Int?
    /// The controls within their bounds, of a continuous action space.
    public var values: [Float] = []
    /// The controls as drawn, before they were mapped to their bounds.
    public var raw: [Float] = []
    /// The text, of a policy that writes.
    public var text: WrittenText?
    /// ln of the probability of the choice or the text, or of the density of `values`.
    public var logProbability: Double
    /// The policy's estimate of the value of the observation; 0 if it makes none.
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
    /// Whether all its numbers are finite in single precision, in which they are learned from.
    public var isFinite: Bool {
        (values + raw + (text?.logProbabilities ?? [])).allSatisfy(\.isFinite) && Float(logProbability).isFinite && Float(value).isFinite
    }
}

/// A transition: a step of an environment from which policies learn.
public struct Transition: Sendable, Equatable {
    public var observation: [Float]
    public var decision: Decision
    public var reward: Double
    /// The next observation.
    public var next: [Float]
    /// The policy's estimate of the value of `next`.
    public var nextValue: Double
    /// Whether the episode ended in a terminal state.
    public var isTerminal: Bool
    /// Whether the next transition in the list does not continue from this one: the episode ended, was truncated, or a step is missing.
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
    /// Whether all its numbers are finite in single precision, in which they are learned from.
    public var isFinite: Bool {
        observation.allSatisfy(\.isFinite) && next.allSatisfy(\.isFinite) && decision.isFinite
            && Float(reward).isFinite && Float(nextValue).isFinite
    }
}

extension [Transition] {
    /// The transitions with finite numbers only. Where one is left out, the one before it becomes the last of its run.
    var finite: [Transition] {
        guard !allSatisfy(\.isFinite) else { return self }
        var kept: [Transition] = []
        var endsRun = true  // if the first one is left out, there is none before it
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
