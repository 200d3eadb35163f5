import Learning
import Statistics
import Tensors

/// Moves the start of adapting towards where adapting ends.
///
///     θ₀ = φ,  θⱼ₊₁ = θⱼ − α ∇L_{batch j}(θⱼ),  φ ← φ − step of the optimiser along the mean of φ − θₖ
///
/// https://arxiv.org/abs/1803.02999. With SGD at rate ε it is φ ← φ + ε (θₖ − φ). No derivative of a derivative, no query.
public final class Reptile<Loss: TaskLoss> where Loss.S == Float {
    public let meta: ParameterStore<Float>
    private let loss: Loss
    /// α, the same everywhere.
    public let rates: ParameterStore<Float>
    private let gradient: ParameterStore<Float>
    private let places: LearnedPlaces
    private let optimizer: Optimizer

    /// - Parameters:
    ///   - meta: changed from here on; not the loss's own store.
    ///   - configuration: its number of steps is that of the batches given.
    public init(_ configuration: MetaConfiguration, meta: ParameterStore<Float>, loss: Loss) throws(SettingsError) {
        try configuration.validate()
        self.meta = meta
        self.loss = loss
        gradient = ParameterStore(loss.gradients.layout)
        rates = ParameterStore(loss.gradients.layout)
        rates.values.fill(configuration.innerRate)
        places = LearnedPlaces(gradient.layout, among: meta.layout)
        optimizer = Optimizer(
            try updateRule(configuration.optimizer, settings: configuration.optimizerSettings), parameters: meta, gradients: gradient)
    }

    /// One meta-step from tasks, each a list of batches to adapt to, one after another; gives the mean loss before the last step of each.
    @discardableResult
    public func learn(_ tasks: [[Loss.Examples]]) -> Double {
        precondition(!tasks.isEmpty && tasks.allSatisfy { !$0.isEmpty }, "a meta-step needs a task with a batch")
        gradient.values.fill(0)
        let task = loss.parameters
        var total = 0.0
        for batches in tasks {
            task.assign(from: meta)
            var last: Float = 0
            for batch in batches {
                loss.put(batch)
                last = loss.differentiate()
                places.descend(task, along: loss.gradients, rates: rates)
            }
            places.addWay(from: meta, to: task, into: gradient)
            total += Double(last)
        }
        optimizer.step(averaging: tasks.count)
        return total / Double(tasks.count)
    }
}
