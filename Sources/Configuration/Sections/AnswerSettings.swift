import Model
import Schema
import Statistics

/// Which moments are answered in words, and how.
public struct AnswerSettings: Codable, Sendable, Equatable {
    /// What ends a moment that asks: `utterance`, `label`, `explicit`, `time`. Empty: nothing is answered, and it costs nothing.
    public var after: [String] = []
    public var maximumTokens = 32
    /// Live: tokens between two looks at what comes in, so that a prediction waits no longer than they take.
    public var tokensPerTick = 4
    /// Moments that wait for their answer; the oldest makes room. Live.
    public var maximumWaiting = 8
    /// 0 always takes the likeliest token.
    public var temperature = 0.0
    public var topK = 0
    public var topP = 1.0
    public var repetitionPenalty = 1.0
    /// What a new model does to an answer under way: `finish` with the old one, or `recompute` all of it with the new one.
    public var adoption = Generation.Adoption.finish

    public init() {}

    static let kinds: KeyValuePairs<String, CutKind> = [
        "utterance": .utteranceEnd, "label": .labelRequest, "explicit": .explicit, "time": .timeLimit,
    ]

    package var sampling: Sampling {
        Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
    }

    /// Whether a moment that ended so asks for an answer.
    package func answers(_ kind: CutKind) -> Bool { Self.kinds.contains { $0.value == kind && after.contains($0.key) } }

    /// Everything that makes no sense, by key.
    var problems: [(key: String, text: String)] {
        var found = after.filter { name in !Self.kinds.contains { $0.key == name } }.map { name in
            ("after", "'\(name)' is none of \(Self.kinds.map(\.key).joined(separator: ", "))")
        }
        for (key, value, limit) in [
            ("maximumTokens", maximumTokens, 1 << 20), ("tokensPerTick", tokensPerTick, 1 << 20),
            ("maximumWaiting", maximumWaiting, 100_000),
        ]
        where !(1...limit).contains(value) {
            found.append((key, "\(value) is not within 1…\(limit)"))
        }
        if let problem = sampling.problem { found.append((problem.key, problem.sentence)) }
        return found
    }
}

extension Generation.Adoption: Choice {}
