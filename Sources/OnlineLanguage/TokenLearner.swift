import Glibc
import Layers
import Learning
import Memory
import Model
import Statistics
import Tensors

/// A language model that learns online: it predicts a few tokens of a text with its current parameters and with a memory of what it has
/// read, then takes a training step on them.
///
/// Prediction and step share one forward pass, over the new tokens only: they attend to the keys and values of the tokens before, which
/// stay as the parameters of their time made them, as in Transformer-XL, https://arxiv.org/abs/1901.02860. So a step costs one forward
/// and one backward pass over its tokens, however long the context is.
/// Source: B. Krause et al., Dynamic Evaluation of Neural Sequence Models, https://arxiv.org/abs/1709.07432
public final class TokenLearner {
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case outOfRange(token: Int, vocabularySize: Int)
        case notFinite(place: Int)

        public var description: String {
            switch self {
            case .outOfRange(let token, let size):
                "the text has the token \(token), but the model's vocabulary has \(size): the tokenizer does not belong to the model"
            case .notFinite(let place): "the loss is not finite at token \(place); a lower rate may help"
            }
        }
    }

    /// The code length of some tokens.
    public struct Reading: Sendable, Equatable {
        /// Of the prediction, token by token, in bits.
        public var tokens: [Double] = []
        /// Of the model's prediction alone, token by token, in bits.
        public var tokensWithoutMemory: [Double] = []

        /// Of the prediction, in bits.
        public var bits: Double { tokens.reduce(0, +) }
        /// Of the model's prediction alone, in bits.
        public var bitsWithoutMemory: Double { tokensWithoutMemory.reduce(0, +) }

        /// Adds tokens that are predicted with these code lengths, in nats.
        mutating func add(nats: [Double], natsWithoutMemory: [Double]) {
            tokens += nats.map { $0 / log(2) }
            tokensWithoutMemory += natsWithoutMemory.map { $0 / log(2) }
        }
    }

    /// The maximum number of tokens of a call of `read`.
    public let fresh: Int
    /// What it has read, if it remembers.
    public private(set) var memory: TokenMemory?

    private let trunk: any Trunk
    private let graph: Graph<Float>
    private let cache: AttentionCache<Float>
    private let ids: Indices, places: Indices, targets: Indices
    private let logits: Tensor<Float>
    private let losses: Tensor<Float>
    private let loss: Tensor<Float>
    private let replay: LanguageModel<Float>?
    private let optimizer: Optimizer?
    private let mixed: UnsafeMutableBufferPointer<Float>
    private var generator: RandomSource
    private let start: Int?
    /// The newest tokens, of which the last is not in the cache.
    private var tokens: [Int]
    /// The number of tokens read, and the position of the next in the model.
    private var count = 0, place = 0

    /// - Parameters:
    ///   - trunk: the model.
    ///   - parameters: its parameters, which are changed by learning, except with adapters.
    ///   - start: a token put before the text, which is not counted; without it the first token is predicted with equal probabilities.
    ///   - configuration: valid settings.
    ///   - learning: false for a frozen model without a memory.
    ///   - memory: what was read before; nil for nothing.
    ///   - team: the threads that compute.
    public init(
        _ trunk: any Trunk, parameters: ParameterStore<Float>, start: Int?, _ configuration: Configuration = Configuration(),
        learning: Bool = true, memory: TokenMemory? = nil, team: Team = .solo
    ) {
        let (trunk, parameters) = learning ? configuration.adapted(trunk, parameters) : (trunk, parameters)
        self.trunk = trunk
        fresh = min(configuration.fresh, max(1, trunk.positions / 2))
        let graph =
            learning
            ? Graph(parameters: parameters, learning: configuration.learns(in: trunk), team: team)
            : .predicting(parameters: parameters, team: team)
        self.graph = graph
        let context = max(1, min(configuration.context, trunk.positions - fresh))
        cache = AttentionCache(length: context, rows: fresh, anchors: min(Self.anchors, context - 1), in: graph)
        (ids, places, targets) = (graph.indices(fresh), graph.indices(fresh), graph.indices(fresh))
        logits = trunk.logits(trunk.continued(ids, places: places, cache: cache, in: graph), in: graph)
        let crossEntropy = graph.crossEntropy(logits, targets: targets)
        losses = crossEntropy.rows
        replay = learning && configuration.replays > 0 ? trunk.languageModel(batch: configuration.replays, time: fresh, in: graph) : nil
        loss = replay.map { graph.add(crossEntropy.mean, $0.loss) } ?? crossEntropy.mean
        let rule = configuration.rule(for: trunk)
        optimizer = learning ? Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team) : nil
        self.memory =
            learning && configuration.remembers
            ? memory ?? TokenMemory(vocabularySize: trunk.vocabularySize, configuration.memory) : nil
        mixed = .allocate(capacity: trunk.vocabularySize)
        mixed.initialize(repeating: 0)
        generator = RandomSource(seed: UInt64(configuration.seed))
        self.start = start
        tokens = start.map { [$0] } ?? []
    }

    deinit { mixed.deallocate() }

    /// The number of first tokens that the context keeps.
    private static let anchors = 4
    /// The number of newest tokens from which windows are replayed.
    private static let replayable = 1 << 20

    /// Predicts the next tokens of the text, then learns them.
    /// - Parameter next: at most `fresh` tokens.
    /// - Returns: their code length.
    /// - Throws: `Refusal`; after a token out of range the learner is unchanged.
    public func read(_ next: ArraySlice<Int>) throws(Refusal) -> Reading {
        precondition(next.count <= fresh, "\(next.count) tokens at once, not \(fresh)")
        if let stray = next.first(where: { !(0..<trunk.vocabularySize).contains($0) }) {
            throw .outOfRange(token: stray, vocabularySize: trunk.vocabularySize)
        }
        // Without a start there is nothing from which the first token could be predicted.
        let unpredicted = tokens.isEmpty ? next.prefix(1) : []
        var reading = Reading()
        reading.tokens = unpredicted.map { _ in log2(Double(trunk.vocabularySize)) }
        reading.tokensWithoutMemory = reading.tokens
        for token in unpredicted { memory?.learn(token) }
        tokens += unpredicted
        let predicted = next.dropFirst(unpredicted.count)
        guard let last = tokens.last, !predicted.isEmpty else { return reading }

        if !trunk.hasRelativePositions, place + predicted.count > trunk.positions { reread() }
        for row in 0..<(replay?.batch ?? 0) { replay?.set(replayed(), at: row) }
        forward([last] + predicted)
        let each = losses.values[..<predicted.count].map(Double.init), nats = each.reduce(0, +)
        guard nats.isFinite else { throw .notFinite(place: count) }
        let mixedNats = memory?.read(predicted, logits: logits.values[...], scratch: mixed) ?? each
        remember(predicted)
        if let optimizer {
            graph.backward(from: loss)
            optimizer.step()
        }
        reading.add(nats: mixedNats, natsWithoutMemory: each)
        return reading
    }

    /// Forgets the text so far: what comes next is another text, which does not attend to it. What was learned and remembered stays.
    public func beginText() {
        cache.clear()
        place = 0
        tokens = start.map { [$0] } ?? []
        memory?.endSequence()
    }

    private func remember(_ next: ArraySlice<Int>) {
        count += next.count
        tokens += next
        let kept = replay == nil ? cache.length + 1 : max(Self.replayable, cache.length + 1)
        if tokens.count > 2 * kept { tokens.removeFirst(tokens.count - kept) }
    }

    /// A forward pass over all tokens but the last: each predicts the next, and is then kept in the cache.
    private func forward(_ tokens: [Int]) {
        for t in 0..<fresh {
            let isRead = t + 1 < tokens.count
            ids[t] = isRead ? tokens[t] : 0
            targets[t] = isRead ? tokens[t + 1] : -100
            places[t] = isRead && !trunk.hasRelativePositions ? place + t : 0
        }
        graph.forward()
        cache.append(tokens.count - 1)
        place += tokens.count - 1
    }

    /// Reads the newest tokens again from position 0 on, so that half of the positions are free.
    private func reread() {
        cache.clear()
        place = 0
        let again = Array(tokens.suffix(min(cache.length, trunk.positions / 2) + 1))
        for start in stride(from: 0, to: again.count - 1, by: fresh) {
            forward(Array(again[start..<min(start + fresh + 1, again.count)]))
        }
    }

    /// A random window of the tokens before.
    private func replayed() -> ArraySlice<Int> {
        guard tokens.count > 1 else { return [] }
        let start = generator.uniform(below: max(1, tokens.count - fresh))
        return tokens[start..<min(tokens.count, start + fresh + 1)]
    }
}
