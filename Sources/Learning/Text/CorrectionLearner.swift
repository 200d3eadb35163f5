import Layers
import Model
import Statistics
import Tensors

/// Teaches a language model right answers, one correction at a time: low-rank adapters learn the answer's tokens after the question's,
/// together with some earlier corrections, until they are likely.
///
/// Each step also sees the question with some of its words left out, so that what is learned does not hang on how it was asked.
/// A learner has one owner: it is not `Sendable`.
public final class CorrectionLearner {
    /// How corrections are learned.
    public struct Configuration: Settings {
        /// The maximal number of steps for each correction.
        public var steps = 8
        /// The number of earlier corrections in each step.
        public var replays = 1
        /// The number of earlier corrections that are remembered.
        public var memory = 1_024
        /// The mean loss of an answer's tokens, in nats, at which it counts as learned.
        public var goal = 0.05
        /// The learning rate of Adam.
        public var rate = 1e-3
        /// Adam's decay of the adapters towards no effect.
        public var weightDecay = 0.01
        /// The rank of the adapters.
        public var rank = 8
        /// The adapters are scaled by alpha / rank.
        public var alpha = 16.0
        /// The ends of the adapted projections' names; empty for all projections.
        public var targets: [String] = []
        /// The maximal number of tokens of a question and its answer; longer questions lose their beginning.
        public var window = 512
        /// The seed of the adapters' initial values and of the replay.
        public var seed = 1

        public init() {}

        public func validate() throws(SettingsError) {
            for (key, value, range) in [
                ("steps", steps, 1...1_000), ("replays", replays, 0...64), ("memory", memory, 1...1 << 20), ("rank", rank, 1...1_024),
                ("window", window, 16...1 << 16),
            ] {
                try SettingsError.require(range.contains(value), key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")
            }
            for (key, value, limit) in [("goal", goal, 10.0), ("rate", rate, 1), ("weight_decay", weightDecay, 1), ("alpha", alpha, 1e6)] {
                try SettingsError.require(value >= 0 && value <= limit, key, "\(value) is not within 0…\(limit)")
            }
            try SettingsError.require(seed >= 0, "seed", "\(seed) is negative")
        }

        /// The adapters that learn beside a trunk.
        public func adapters(of trunk: some Trunk) -> Adapters {
            Adapters(rank: rank, alpha: alpha, projections: targets.isEmpty ? trunk.projections : targets)
        }
    }

    /// Tokens to be learned after others.
    public struct Example: Codable, Sendable, Equatable {
        /// Tokens that are read only: the question in the chat format.
        public var prompt: [Int]
        /// Other forms of the prompt.
        public var variants: [[Int]]
        /// Tokens that are learned: the answer and its end.
        public var answer: [Int]
        /// Who gave the answer.
        public var source: String

        public init(prompt: [Int], variants: [[Int]] = [], answer: [Int], source: String = "") {
            self.prompt = prompt
            self.variants = variants
            self.answer = answer
            self.source = source
        }
    }

    /// What learning a correction came to.
    public struct Outcome: Sendable, Equatable {
        /// The mean loss of the answer's tokens before the first step, in nats.
        public var before: Double
        /// The same in the last step, before it.
        public var after: Double
        /// The number of steps taken.
        public var steps: Int
    }

    /// The model, with adapters, and its parameters.
    public let model: TrunkModel
    public let configuration: Configuration
    /// What has been learned, from the oldest to the newest.
    public private(set) var remembered: [Example] = []
    /// The maximal number of compositions of different lengths that are kept.
    private static let mostGraphs = 4
    private let root: Graph<Float>
    private let optimizer: Optimizer
    private var graphs: [Int: (graph: Graph<Float>, text: LanguageModel<Float>)] = [:]
    private var random: RandomSource

    /// - Parameters:
    ///   - model: with the configuration's adapters, which are initialised to have no effect.
    ///   - configuration: how corrections are learned.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`.
    public init(_ model: TrunkModel, _ configuration: Configuration = Configuration(), team: Team = .solo) throws(SettingsError) {
        try configuration.validate()
        self.model = model
        self.configuration = configuration
        random = RandomSource(seed: UInt64(configuration.seed))
        configuration.adapters(of: model.trunk).initialize(in: model.parameters, using: &random)
        root = Graph(parameters: model.parameters, learning: Adapters.contains, team: team)
        let rule = try updateRule(
            "adamw",
            settings: .object([
                "learning_rate": .number(configuration.rate), "weight_decay": .number(configuration.weightDecay), "clip_norm": .number(1),
                "beta2": .number(0.99),
            ]))
        optimizer = Optimizer(rule, parameters: model.parameters, gradients: root.gradients, team: team)
    }

    /// Learns an example until its loss is at the goal, at most `steps` steps; it is replayed with later ones.
    /// - Returns: nil if it has no token to learn, or a number was not finite; nothing is changed then.
    public func learn(_ example: Example) -> Outcome? {
        guard !example.answer.isEmpty, !example.prompt.isEmpty else { return nil }
        var first: Double?, last = 0.0, taken = 0
        for number in 0..<configuration.steps {
            let replayed = (0..<min(configuration.replays, remembered.count)).map { _ in remembered[random.uniform(below: remembered.count)]
            }
            let loss = pass(example.prompt, example.answer, accumulating: false)
            guard loss.isFinite else { return nil }
            (first, last) = (first ?? loss, loss)
            if loss <= configuration.goal, number > 0 { break }
            var passes = 1
            for other in [example] + replayed {
                let forms = other.variants + (other == example ? [] : [other.prompt])
                guard !forms.isEmpty else { continue }
                _ = pass(forms[random.uniform(below: forms.count)], other.answer, accumulating: true)
                passes += 1
            }
            guard optimizer.step(averaging: passes).stepped else { return nil }
            taken += 1
        }
        remembered.append(example)
        if remembered.count > configuration.memory { remembered.removeFirst() }
        return Outcome(before: first ?? 0, after: last, steps: taken)
    }

    /// Forgets the examples of a source: they are not replayed any more. What the adapters have learned from them stays.
    /// - Returns: how many there were.
    @discardableResult
    public func forget(source: String) -> Int {
        let before = remembered.count
        remembered.removeAll { $0.source == source }
        return before - remembered.count
    }

    /// Computes the gradients of the mean loss of the answer's tokens.
    private func pass(_ prompt: [Int], _ answer: [Int], accumulating: Bool) -> Double {
        let limit = min(configuration.window, model.trunk.positions)
        let answer = Array(answer.prefix(limit)), prompt = Array(prompt.suffix(max(1, limit + 1 - answer.count)))
        let tokens = prompt + answer, reads = tokens.count - 1
        let (graph, text) = recorded(for: reads, limit: limit)
        for place in 0..<text.time {
            text.ids[place] = place < reads ? tokens[place] : 0
            text.targets[place] = place < reads && place >= prompt.count - 1 ? tokens[place + 1] : -100
        }
        graph.forward()
        let loss = Double(text.loss.value)
        if loss.isFinite { graph.backward(from: text.loss, accumulating: accumulating) }
        return loss
    }

    /// The composition for a number of tokens, rounded up, so that there are few of them.
    private func recorded(for tokens: Int, limit: Int) -> (graph: Graph<Float>, text: LanguageModel<Float>) {
        let step = tokens <= 128 ? 16 : 64, time = min(limit, (tokens + step - 1) / step * step)
        if let known = graphs[time] { return known }
        // The largest takes the most memory.
        if graphs.count >= Self.mostGraphs, let largest = graphs.keys.max() { graphs[largest] = nil }
        let graph = Graph(sharing: root)
        let text = model.trunk.languageModel(batch: 1, time: time, in: graph)
        graphs[time] = (graph, text)
        return (graph, text)
    }
}
