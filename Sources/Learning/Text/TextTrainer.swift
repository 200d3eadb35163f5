import Layers
import Model
import Statistics
import Tensors

/// Trains a language model, or a part of its parameters, on a text, step by step.
///
///     let trainer = try TextTrainer(model, tokens: tokens, configuration)
///     for _ in 0..<100 { print(trainer.step().loss) }
///     try trainer.save(to: "gpt2-mine/training.safetensors")
///
/// A step whose loss or gradient is not finite is skipped and counted. A trainer has one owner: it is not `Sendable`.
public final class TextTrainer {
    /// The result of a step.
    public struct Outcome: Sendable, Equatable {
        /// The mean over the windows of the step, in nats per token.
        public let loss: Double
        /// The norm of all gradients; NaN if the loss was not finite.
        public let gradientNorm: Double
        /// The learning rate of the step.
        public let learningRate: Double
        /// False if a number was not finite, so that nothing was changed.
        public let stepped: Bool
    }

    /// Why a text cannot be learned.
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case tooShort(tokens: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case noTarget([String])

        public var description: String {
            switch self {
            case .tooShort(let tokens): "a text of \(tokens) tokens has no token to predict; at least 2 are needed"
            case .outOfRange(let token, let size):
                "the text has the token \(token), but the model's vocabulary has \(size): this tokenizer is not the model's"
            case .noTarget(let targets): "no projection of this model is called \(targets.joined(separator: " or "))"
            }
        }
    }

    /// The description of the model.
    public let model: any Trunk
    /// How it is trained.
    public let configuration: Configuration
    /// The model's parameters.
    public let parameters: ParameterStore<Float>
    /// The number of steps, including skipped ones.
    public internal(set) var steps = 0
    /// The number of steps skipped because a number was not finite.
    public internal(set) var skipped = 0
    let graph: Graph<Float>
    let optimizer: Optimizer
    var windows: TextWindows
    let digest: String
    private let text: LanguageModel<Float>

    /// - Parameters:
    ///   - model: the model, with the configuration's adapters, if it has any, and the initial parameters, which the trainer changes;
    ///     adapters are initialised to have no effect.
    ///   - tokens: the text's token ids.
    ///   - configuration: how it is trained.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError` or `Refusal`.
    public init(
        _ opened: TrunkModel, tokens: [Int], _ configuration: Configuration = Configuration(), team: Team = .solo
    ) throws {
        try configuration.validate()
        let model = opened.trunk, parameters = opened.parameters, scope = try configuration.learningScope
        guard tokens.count > 1 else { throw Refusal.tooShort(tokens: tokens.count) }
        if let stray = tokens.first(where: { !(0..<model.vocabularySize).contains($0) }) {
            throw Refusal.outOfRange(token: stray, vocabularySize: model.vocabularySize)
        }
        if let adapters = configuration.adapters(of: model) {
            guard model.parameters.contains(where: Adapters.contains) else { throw Refusal.noTarget(adapters.projections) }
            var random = RandomSource(seed: UInt64(configuration.seed))
            adapters.initialize(in: parameters, using: &random)
        }
        self.model = model
        self.parameters = parameters
        self.configuration = configuration
        graph = Graph(parameters: parameters, learning: { scope.learns($0, in: model) }, team: team)
        let time = min(configuration.time, model.positions)
        text = model.languageModel(batch: configuration.batch, time: time, recomputing: configuration.recompute, in: graph)
        let rule = try updateRule(configuration.optimizer, settings: configuration.optimizerSettings)
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
        windows = TextWindows(tokens, time: time, seed: UInt64(configuration.seed))
        digest = Self.digest(tokens, opened, learned: graph.gradients.layout)
    }

    /// The number of steps in which the whole text is read once.
    public var stepsPerEpoch: Int {
        let windowsPerStep = configuration.batch * configuration.accumulate
        return (windows.count + windowsPerStep - 1) / windowsPerStep
    }

    /// The number of the current pass over the text, from 0.
    public var epoch: Int { windows.cursor.epoch }

    /// The allocated bytes, with the meanings of `TrainingMemory`.
    public var memory: (parameters: Int, gradients: Int, moments: Int, activations: Int) {
        let size = MemoryLayout<Float>.stride, learned = graph.gradients.layout.count
        let matrices = parameters.frozen.values.reduce(0) { $0 + $1.bytes }
        return (
            parameters.layout.count * size + matrices, learned * size, optimizer.moments.count * learned * size,
            graph.activationCount * size
        )
    }

    /// Makes one step with the next windows of the text.
    public func step() -> Outcome {
        steps += 1
        var loss = 0.0, tokens = 0.0
        for pass in 0..<configuration.accumulate {
            for row in 0..<text.batch { text.set(windows.next(), at: row) }
            graph.forward()
            let count = Double(text.targets.values.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) })
            loss += Double(text.loss.value) * count
            tokens += count
            graph.backward(from: text.loss, accumulating: pass > 0)
        }
        loss /= max(1, tokens)
        guard loss.isFinite else {
            skipped += 1
            return Outcome(loss: loss, gradientNorm: .nan, learningRate: 0, stepped: false)
        }
        let step = optimizer.step(averaging: configuration.accumulate)
        if !step.stepped { skipped += 1 }
        return Outcome(loss: loss, gradientNorm: step.gradientNorm, learningRate: step.learningRate, stepped: step.stepped)
    }
}
