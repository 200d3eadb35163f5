import Foundation
import Reinforcement
import Safetensors
import Statistics

/// An evaluation, from a decision log, of the policy that decided and of alternatives.
public struct DecisionReport: Codable, Sendable {
    /// A policy that is compared with the one that decided.
    public struct Candidate: Codable, Sendable {
        public var name: String
        public var estimate: OffPolicyEstimate
        /// Doubly robust estimate minus the mean reward of the same decisions, and its standard error, as if both were independent.
        public var gain: OffPolicyEstimate.Figure
        public var isBetter: Bool
    }

    /// The number of lines of the log, of those that could not be read or are impossible, and of those with a reward from feedback.
    public var decisions: Int
    public var unreadable: Int
    public var withFeedback: Int
    /// The policies that decided, by name.
    public var policies: [String]
    /// The mean reward of a decision and its standard error.
    public var earned: OffPolicyEstimate.Figure
    /// The mean reward in each quarter of the log, which shows whether it increased.
    public var quarters: [OffPolicyEstimate.Figure]
    /// The candidates in the order in which they were evaluated.
    public var candidates: [Candidate]
    /// The candidate with the greatest gain among those that are better; empty: keep the current policy.
    public var recommendation: String

    /// Keys of the JSON report, as earlier versions wrote them.
    private enum CodingKeys: String, CodingKey {
        case decisions, unreadable, policies, earned, quarters, candidates, recommendation
        case withFeedback = "told"
    }

    /// - Parameter directory: holds `decisions.jsonl`, and perhaps `decisions.old.jsonl` and `policy.safetensors`.
    /// - Throws: `DecisionReportError` where there are no decisions or too many numbers; `FileError`; `CheckpointMismatch`.
    public init(directory: String) throws {
        let (lines, damaged) = try DecisionLog.decisions(of: directory)
        let log = lines.filter(Self.isPossible), unreadable = damaged + lines.count - log.count  // what cannot be read is counted
        guard !log.isEmpty || unreadable > 0 else {
            throw DecisionReportError(
                "no decisions in \(directory)/decisions.jsonl; a graph with decide.policy writes them into its checkpoint directory")
        }
        let kept = try PolicyStore(in: CheckpointDirectory(directory).open())?.policy()
        try self.init(log, unreadable: unreadable, choices: kept?.description.choices) { one in
            guard let kept, kept.policy.inputs == one.observation.count else { return nil }
            return kept.policy.probabilities(on: one.observation)
        }
    }

    /// The most choices that are distinguished, as many as `decide.choices` may be; the greatest absolute reward.
    private static let choiceLimit = 1024, rewardLimit = 1e100
    /// ln of the least probability of a choice that is accepted, and of the greatest, which rounding may take above 1.
    private static let logProbabilities = -50.0...1e-6
    /// The most numbers that the models of rewards hold, and the most multiplications for one candidate; of a longer log the newest lines
    /// are used.
    private static let modelLimit = 1 << 26, workLimit = 1 << 32

    private static func isPossible(_ one: LoggedDecision) -> Bool {
        guard abs(one.reward) <= rewardLimit, one.value.isFinite, one.observation.allSatisfy(\.isFinite) else { return false }
        return one.choice.map { (0..<choiceLimit).contains($0) && logProbabilities.contains(one.logProbability) } ?? true
    }

    init(_ log: [LoggedDecision], unreadable: Int = 0, choices known: Int? = nil, kept: (LoggedDecision) -> [Double]?) throws {
        let finite = log.filter(\.reward.isFinite), inputs = log.first?.observation.count ?? 0
        decisions = log.count
        self.unreadable = unreadable
        withFeedback = log.count(where: \.hasFeedback)
        policies = Set(log.map(\.policy)).sorted()
        earned = Self.earned(finite)
        quarters = (0..<4).map { Self.earned(Array(finite[$0 * finite.count / 4..<($0 + 1) * finite.count / 4])) }
        candidates = []
        recommendation = ""

        let size = (inputs + 1).clampedMultiplying(by: inputs + 1)
        var usable = finite.filter { $0.choice != nil && $0.observation.count == inputs && Self.isPossible($0) }
        guard let largest = usable.compactMap(\.choice).max() else { return }
        let choices = max(known ?? 0, largest + 1)
        guard size.clampedMultiplying(by: choices) <= Self.modelLimit else {
            throw DecisionReportError("\(choices) choices on \(inputs) numbers each are too many to judge other policies by")
        }
        usable = usable.suffix(max(64, Self.workLimit / (size + choices * (inputs + 1))))
        add("evenly", usable, choices) { _ in Array(repeating: 1 / Double(choices), count: choices) }
        for choice in 0..<min(choices, 16) {
            add("always \(choice)", usable, choices) { _ in (0..<choices).map { $0 == choice ? 1 : 0 } }
        }
        let half = usable.count / 2
        let bandit = try LinearBandit(inputs: inputs, actions: .choices(choices), LinearBandit.Configuration(), seed: 1)
        for one in usable[..<half] {
            _ = bandit.learn(from: [
                Transition(
                    observation: one.observation,
                    decision: Decision(choice: one.choice, logProbability: one.logProbability, value: one.value),
                    reward: one.reward, next: one.observation, nextValue: 0, isTerminal: true, isLast: true)
            ])
        }
        add("bandit", Array(usable[half...]), choices) { bandit.probabilities(on: $0.observation) }
        if let first = usable.first, kept(first)?.count == choices {
            add("kept policy", usable, choices) { kept($0) ?? Array(repeating: 1 / Double(choices), count: choices) }
        }
        recommendation = candidates.filter(\.isBetter).max { $0.gain.mean < $1.gain.mean }?.name ?? ""
    }

    private mutating func add(_ name: String, _ log: [LoggedDecision], _ choices: Int, _ probabilities: (LoggedDecision) -> [Double]) {
        let estimate = OffPolicyEstimate(log, choices: choices, of: probabilities), own = Self.earned(log)
        let error = (pow(estimate.doublyRobust.error, 2) + pow(own.error, 2)).squareRoot()
        let gain = OffPolicyEstimate.Figure(mean: estimate.doublyRobust.mean - own.mean, error: error)
        candidates.append(Candidate(name: name, estimate: estimate, gain: gain, isBetter: log.count > 30 && gain.mean > 2 * error))
    }

    private static func earned(_ log: [LoggedDecision]) -> OffPolicyEstimate.Figure {
        var moments = RunningMoments()
        for one in log { moments.add(one.reward) }
        return .init(mean: moments.mean, error: log.isEmpty ? 0 : (moments.variance / Double(log.count)).squareRoot())
    }

    /// The report as JSON.
    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    /// The report as a table for a terminal.
    public var text: String {
        func figure(_ figure: OffPolicyEstimate.Figure) -> String { String(format: "%9.4f ± %6.4f", figure.mean, figure.error) }
        let damaged = unreadable > 0 ? ", \(unreadable) lines unreadable" : ""
        var lines = [
            "\(decisions) decisions by \(policies.joined(separator: ", ")), \(withFeedback) with a reward from feedback\(damaged)",
            "earned           \(figure(earned)) a decision", "in each quarter  " + quarters.map(figure).joined(separator: " "), "",
        ]
        guard !candidates.isEmpty else {
            lines.append("no other policy is judged: the log holds no choices, and texts and controls are each too rare to judge others by")
            return lines.joined(separator: "\n")
        }
        lines += [
            "would earn       IPS                SNIPS              DR                 worth as many of its own"
        ]
        for one in candidates {
            lines.append(
                one.name.padding(toLength: 14, withPad: " ", startingAt: 0)
                    + [one.estimate.inversePropensity, one.estimate.selfNormalized, one.estimate.doublyRobust]
                    .map(figure).joined(separator: " ")
                    + String(format: " %9.0f of %d%@", one.estimate.effectiveCount, one.estimate.count, one.isBetter ? "  better" : ""))
        }
        lines += ["", recommendation.isEmpty ? "none is better beyond doubt: stay" : "\(recommendation) is better: switch"]
        return lines.joined(separator: "\n")
    }
}

/// Why a decision log cannot be evaluated.
public struct DecisionReportError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
