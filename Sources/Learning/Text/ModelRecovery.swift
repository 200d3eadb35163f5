import Model
import StrictJSON
import Tensors

/// Lets a model that has lost a part of itself recover by a few steps of training on a text.
///
///     try ModelRecovery(steps: 50).train(pruned, on: tokens, team: team)
public struct ModelRecovery: Sendable, Equatable {
    /// The number of steps.
    public var steps: Int
    /// The tokens of a step's window, and the windows of a step.
    public var time = 256, batch = 1
    /// The greatest learning rate of AdamW, which falls to 0 along a cosine after a tenth of the steps.
    public var rate = 1e-4
    /// The seed of the windows' order.
    public var seed = 1

    /// - Parameter steps: 0 or more.
    public init(steps: Int) {
        precondition(steps >= 0, "\(steps) steps")
        self.steps = steps
    }

    /// Trains all parameters of a model in single precision.
    ///
    /// - Parameters:
    ///   - model: the model, whose parameters are changed.
    ///   - tokens: the text.
    ///   - team: the threads that compute.
    ///   - progress: called after every step with its number and its loss, in nats per token.
    /// - Throws: `SettingsError` or `TextTrainer.Refusal`.
    public func train(
        _ model: TrunkModel, on tokens: [Int], team: Team = .solo, progress: (_ step: Int, _ loss: Double) -> Void = { _, _ in }
    ) throws {
        var configuration = TextTrainer.Configuration()
        (configuration.time, configuration.batch, configuration.seed, configuration.recompute) = (time, batch, seed, true)
        configuration.optimizerSettings = .object([
            "learning_rate": .number(rate), "weight_decay": .number(0), "clip_norm": .number(1),
            "schedule": .object([
                "shape": .string("cosine"), "warmup_steps": .number(Double(steps / 10)), "total_steps": .number(Double(max(1, steps))),
            ]),
        ])
        let trainer = try TextTrainer(model, tokens: tokens, configuration, team: team)
        while trainer.steps < steps { progress(trainer.steps, trainer.step().loss) }
    }
}
