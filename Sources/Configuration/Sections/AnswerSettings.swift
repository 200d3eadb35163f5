import Model
import Schema
import Statistics

/// Which moments get a generated answer, and how it is sampled.
public struct AnswerSettings: Codable, Sendable, Equatable {
    /// Moments that end in one of these ways are answered: `utterance`, `label`, `explicit`, `time`. Empty: no answers, at no cost.
    public var after: [String] = []
    /// The most tokens of an answer.
    public var maximumTokens = 32
    /// Live mode: tokens generated per tick, so that a prediction waits no longer than they take.
    public var tokensPerTick = 4
    /// Live mode: the most moments that wait for their answer; the oldest is dropped.
    public var maximumWaiting = 8
    /// 0 always takes the most probable token.
    public var temperature = 0.0
    /// Tokens are drawn among this many most probable ones; 0: among all.
    public var topK = 0
    /// Tokens are drawn among the most probable ones that together have this probability.
    public var topP = 1.0
    /// Lowers the logits of tokens that the text has already; 1: no penalty.
    public var repetitionPenalty = 1.0
    /// What happens to an unfinished answer when a new model is adopted: `finish` with the old one, or `recompute` its state with the new.
    public var adoption = Generation.Adoption.finish

    public init() {}

    static let kinds: KeyValuePairs<String, CutKind> = [
        "utterance": .utteranceEnd, "label": .labelRequest, "explicit": .explicit, "time": .timeLimit,
    ]

    /// The settings of the decoder.
    package var sampling: Sampling {
        Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
    }

    /// The settings of the decoder for an answer that a request asks for.
    package func sampling(for request: AnswerRequest) -> Sampling {
        var sampling = sampling
        if request.hasTemperature { sampling.temperature = request.temperature }
        if request.hasTopP { sampling.topP = request.topP }
        return sampling.problem == nil ? sampling : self.sampling  // ingest has refused what is invalid
    }

    /// Whether a moment that ended this way is answered.
    package func answers(_ kind: CutKind) -> Bool { Self.kinds.contains { $0.value == kind && after.contains($0.key) } }

    /// Every invalid setting, by key.
    var problems: [SettingsError] {
        var found = after.filter { name in !Self.kinds.contains { $0.key == name } }.map { name in
            SettingsError("after", "'\(name)' is none of \(Self.kinds.map(\.key).joined(separator: ", "))")
        }
        for (key, value, limit) in [
            ("maximumTokens", maximumTokens, 1 << 20), ("tokensPerTick", tokensPerTick, 1 << 20),
            ("maximumWaiting", maximumWaiting, 100_000),
        ]
        where !(1...limit).contains(value) {
            found.append(SettingsError(key, "\(value) is not within 1…\(limit)"))
        }
        if let problem = sampling.problem { found.append(problem) }
        return found
    }
}

extension Generation.Adoption: Choice {}
