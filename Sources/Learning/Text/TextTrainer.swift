import Layers
import Model
import Statistics
import Tensors

/// Trains a GPT-2 on a text, all of it or a part, a step at a time.
///
///     let trainer = try TextTrainer(model, parameters: store, tokens: tokens, configuration)
///     for _ in 0..<100 { print(trainer.step().loss) }
///     try trainer.save(to: "gpt2-mine/training.safetensors")
///
/// A loss or a gradient that is not finite leaves weights and moments as they were and is counted. A trainer has one owner:
/// it is not `Sendable`.
public final class TextTrainer {
    public struct Outcome: Sendable, Equatable {
        /// The mean over the windows of the step, in nats a token.
        public let loss: Double
        /// Of all gradients together; not a number where the loss was not.
        public let gradientNorm: Double
        public let learningRate: Double
        /// False where something was not finite, and nothing was changed.
        public let stepped: Bool
    }

    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case tooShort(tokens: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case noTarget([String])

        public var description: String {
            switch self {
            case .tooShort(let tokens): "a text of \(tokens) tokens tells nothing; it needs two"
            case .outOfRange(let token, let size):
                "the text has the token \(token), but the model's vocabulary has \(size): this tokenizer is not the model's"
            case .noTarget(let targets): "no projection of this model is called \(targets.joined(separator: " or "))"
            }
        }
    }

    public let model: GPT2
    public let configuration: Configuration
    public let parameters: ParameterStore<Float>
    /// Steps asked for, whether or not they could be taken.
    public internal(set) var steps = 0
    /// Those that changed nothing because something was not finite.
    public internal(set) var skipped = 0
    let graph: Graph<Float>
    let optimizer: Optimizer
    var windows: TextWindows
    let digest: String
    private let text: LanguageModel<Float>

    /// - Parameters:
    ///   - model: made with the configuration's adapters, if it has any.
    ///   - parameters: what it starts from, which the trainer changes; adapters begin as nothing.
    /// - Throws: `SettingsError` or `Refusal`.
    public init(
        _ model: GPT2, parameters: ParameterStore<Float>, tokens: [Int], _ configuration: Configuration = Configuration(),
        team: Team = .solo
    ) throws {
        try configuration.validate()
        let shape = model.configuration, scope = try configuration.learningScope
        guard tokens.count > 1 else { throw Refusal.tooShort(tokens: tokens.count) }
        if let stray = tokens.first(where: { !(0..<shape.vocabularySize).contains($0) }) {
            throw Refusal.outOfRange(token: stray, vocabularySize: shape.vocabularySize)
        }
        if let adapters = configuration.adapters {
            guard model.parameters.contains(where: Adapters.contains) else { throw Refusal.noTarget(adapters.projections) }
            var random = RandomSource(seed: UInt64(configuration.seed))
            adapters.initialize(in: parameters, using: &random)
        }
        self.model = model
        self.parameters = parameters
        self.configuration = configuration
        graph = Graph(parameters: parameters, learning: { scope.learns($0, in: shape) }, team: team)
        let time = min(configuration.time, shape.positions)
        text = model.languageModel(batch: configuration.batch, time: time, recomputing: configuration.recompute, in: graph)
        let rule = try updateRule(configuration.optimizer, settings: configuration.optimizerSettings)
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
        windows = TextWindows(tokens, time: time, seed: UInt64(configuration.seed))
        digest = Self.digest(tokens, parameters, frozen: graph.gradients.layout)
    }

    /// Steps that read the whole text once.
    public var stepsPerEpoch: Int {
        let windowsPerStep = configuration.batch * configuration.accumulate
        return (windows.count + windowsPerStep - 1) / windowsPerStep
    }

    public var epoch: Int { windows.cursor.epoch }

    /// Bytes as `TrainingMemory` counts them, but measured.
    public var memory: (parameters: Int, gradients: Int, moments: Int, activations: Int) {
        let size = MemoryLayout<Float>.stride, learned = graph.gradients.layout.count
        return (parameters.layout.count * size, learned * size, optimizer.moments.count * learned * size, graph.activationCount * size)
    }

    /// Learns from the next windows.
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
