import Glibc
import Layers
import Learning
import Memory
import Model
import Statistics
import Tensors

/// A language model that learns online what continues its prompts: it predicts a continuation with its current adapters and with a memory
/// of what it has read, then takes steps on it, together with earlier ones.
///
/// Prediction and the first step share one forward pass. Prompts are apart: no one attends to what was read before.
/// A learner has one owner: it is not `Sendable`.
public final class ContinuationLearner {
    /// How continuations are learned.
    public struct Configuration: Settings {
        /// The number of steps on each continuation.
        public var steps = 1
        /// The number of earlier continuations, drawn at random, in every step.
        public var replays = 2
        /// The number of continuations that are kept for replay; the oldest make room.
        public var kept = 1_024
        /// The rank of the adapters.
        public var rank = 8
        /// The adapters are scaled by alpha / rank.
        public var alpha = 16.0
        /// The ends of the adapted projections' names; empty for all projections.
        public var targets: [String] = []
        /// The learning rate of Adam.
        public var rate = 1e-3
        /// Adam's decay of the average squared gradient.
        public var beta2 = 0.99
        /// Adam's decay of the adapters towards no effect.
        public var weightDecay = 0.0
        /// The maximal number of tokens of a prompt and its continuation; longer prompts lose their beginning.
        public var window = 256
        /// Whether the prompt's tokens are learned too, after the continuation was predicted.
        public var learnsPrompts = true
        /// Whether a memory of the tokens read takes part in predictions.
        public var remembers = true
        /// The memory's settings.
        public var memory = TokenMemory.Configuration()
        /// The seed of the adapters' initial values and of the replay.
        public var seed = 1

        public init() {}

        public func validate() throws(SettingsError) {
            for (key, value, range) in [
                ("steps", steps, 1...1_000), ("replays", replays, 0...64), ("kept", kept, 1...1 << 20), ("rank", rank, 1...1_024),
                ("window", window, 16...1 << 16),
            ] {
                try SettingsError.require(range.contains(value), key, "is \(value), not \(range.lowerBound)…\(range.upperBound)")
            }
            for (key, value, limit) in [("rate", rate, 1.0), ("beta2", beta2, 1), ("weight_decay", weightDecay, 1), ("alpha", alpha, 1e6)] {
                try SettingsError.require(value >= 0 && value <= limit, key, "is \(value), not 0…\(limit)")
            }
            try SettingsError.require(seed >= 0, "seed", "\(seed) is negative")
            try memory.validate()
        }

        /// The adapters that learn beside a trunk.
        public func adapters(of trunk: some Trunk) -> Adapters {
            Adapters(rank: rank, alpha: alpha, projections: targets.isEmpty ? trunk.projections : targets)
        }
    }

    /// Tokens, and those that continue them.
    public struct Example: Sendable, Equatable {
        /// Tokens that are read, at least one.
        public var prompt: [Int]
        /// Tokens that are predicted.
        public var continuation: [Int]
        /// A token after the continuation, which is learned, but not counted; none if nil.
        public var end: Int?

        public init(prompt: [Int], continuation: [Int], end: Int? = nil) {
            (self.prompt, self.continuation, self.end) = (prompt, continuation, end)
        }

        var tokens: [Int] { prompt + continuation + (end.map { [$0] } ?? []) }
    }

    /// The maximal number of tokens that a pass reads.
    public let window: Int
    /// What it has read, if it remembers.
    public private(set) var memory: TokenMemory?

    private let configuration: Configuration
    private let trunk: any Trunk
    private let graph: Graph<Float>
    private let sequences: PackedSequences
    private let ids: Indices, places: Indices
    private let targetExtent: Extent
    private let targetRows: Indices, targets: Indices
    private let logits: Tensor<Float>
    private let entropy: CrossEntropy<Float>
    private let optimizer: Optimizer?
    private let mixed: UnsafeMutableBufferPointer<Float>
    private var kept: [Example] = []
    private var random: RandomSource

    /// - Parameters:
    ///   - model: with the configuration's adapters, which are initialised to have no effect, if it learns.
    ///   - configuration: how continuations are learned.
    ///   - learning: false for a frozen model without a memory.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`.
    public init(
        _ model: TrunkModel, _ configuration: Configuration = Configuration(), learning: Bool = true, team: Team = .solo
    ) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        trunk = model.trunk
        random = RandomSource(seed: UInt64(configuration.seed))
        if learning { configuration.adapters(of: trunk).initialize(in: model.parameters, using: &random) }
        graph = Graph(parameters: model.parameters, learning: { learning && Adapters.contains($0) }, team: team)
        window = min(configuration.window, trunk.positions)
        let batch = learning ? 1 + configuration.replays : 1
        sequences = PackedSequences(batch, longest: window)
        targetExtent = Extent(batch * window)
        (ids, places) = (graph.indices(along: sequences.rows), graph.indices(along: sequences.rows))
        (targetRows, targets) = (graph.indices(along: targetExtent), graph.indices(along: targetExtent))
        let mask = graph.input([batch, window])
        mask.values.update(repeating: 1)
        let hidden = trunk.trunk(
            trunk.embed(ids, at: places, in: graph), packing: sequences, prefix: 0, keyMask: mask, in: graph)
        logits = trunk.logits(graph.gatherRows(of: hidden, targetRows), in: graph)
        entropy = graph.crossEntropy(logits, targets: targets)
        let rule = try updateRule(
            "adamw",
            settings: .object([
                "learning_rate": .number(configuration.rate), "weight_decay": .number(configuration.weightDecay), "clip_norm": .number(1),
                "beta2": .number(configuration.beta2),
            ]))
        optimizer = learning ? Optimizer(rule, parameters: model.parameters, gradients: graph.gradients, team: team) : nil
        memory = learning && configuration.remembers ? TokenMemory(vocabularySize: trunk.vocabularySize, configuration.memory) : nil
        mixed = .allocate(capacity: trunk.vocabularySize)
        mixed.initialize(repeating: 0)
    }

    deinit { mixed.deallocate() }

    /// Predicts a continuation, then learns it.
    /// - Returns: the code length of the continuation, without its end.
    /// - Throws: `TokenLearner.Refusal`; after a token out of range the learner is unchanged.
    public func read(_ example: Example) throws(TokenLearner.Refusal) -> TokenLearner.Reading {
        precondition(!example.prompt.isEmpty, "a continuation of nothing")
        if let stray = example.tokens.first(where: { !(0..<trunk.vocabularySize).contains($0) }) {
            throw .outOfRange(token: stray, vocabularySize: trunk.vocabularySize)
        }
        var reading = TokenLearner.Reading()
        for token in example.prompt { memory?.learn(token) }
        for part in parts(of: example) { try read(part: part, &reading) }
        if let end = example.end { memory?.learn(end) }
        memory?.endSequence()
        return reading
    }

    /// Examples that fit into the window: of a long continuation each part continues those before it.
    private func parts(of example: Example) -> [Example] {
        let most = window / 2
        var parts: [Example] = [], prompt = example.prompt, rest = example.continuation[...]
        repeat {
            let part = Array(rest.prefix(most))
            rest = rest.dropFirst(most)
            parts.append(Example(prompt: prompt, continuation: part, end: rest.isEmpty ? example.end : nil))
            prompt += part
        } while !rest.isEmpty
        for place in parts.indices { parts[place].prompt = Array(parts[place].prompt.suffix(window - parts[place].continuation.count)) }
        return parts
    }

    private func read(part: Example, _ reading: inout TokenLearner.Reading) throws(TokenLearner.Refusal) {
        set([part] + replayed())
        graph.forward()
        let first = configuration.learnsPrompts ? part.prompt.count - 1 : 0
        let rows = first..<first + part.continuation.count
        let each = entropy.rows.values[rows].map(Double.init), nats = each.reduce(0, +)
        guard nats.isFinite else { throw .notFinite(place: kept.count) }
        let V = trunk.vocabularySize
        let mixedNats =
            memory?.read(part.continuation, logits: logits.values[rows.lowerBound * V..<rows.upperBound * V], scratch: mixed) ?? each
        if let optimizer {
            for step in 0..<configuration.steps {
                if step > 0 {
                    set([part] + replayed())
                    graph.forward()
                }
                graph.backward(from: entropy.mean)
                optimizer.step()
            }
            kept.append(part)
            if kept.count > configuration.kept { kept.removeFirst() }
        }
        reading.add(nats: mixedNats, natsWithoutMemory: each)
    }

    private func replayed() -> [Example] {
        guard optimizer != nil, !kept.isEmpty else { return [] }
        return (0..<min(configuration.replays, kept.count)).map { _ in kept[random.uniform(below: kept.count)] }
    }

    /// Sets the sequences of the next pass. Those that are missing are empty.
    private func set(_ examples: [Example]) {
        let tokens = examples.map(\.tokens)
        sequences.set { $0 < tokens.count ? tokens[$0].count - 1 : 0 }
        var predicted = 0
        for (b, example) in examples.enumerated() {
            let start = sequences.start(b), first = configuration.learnsPrompts ? 0 : example.prompt.count - 1
            for t in 0..<sequences.length(b) {
                (ids[start + t], places[start + t]) = (tokens[b][t], t)
                guard t >= first else { continue }
                (targetRows[predicted], targets[predicted]) = (start + t, tokens[b][t + 1])
                predicted += 1
            }
        }
        targetExtent.count = predicted
    }
}
