import Learning
import Statistics
import Tensors

/// Reptile: moves the initial parameters towards the adapted ones.
///
///     θ₀ = φ,  θⱼ₊₁ = θⱼ − α ∇L_{batch j}(θⱼ),  φ ← φ − step of the optimiser along the mean of φ − θₖ
///
/// https://arxiv.org/abs/1803.02999. With SGD at rate ε this is φ ← φ + ε (θₖ − φ). It needs neither second derivatives nor
/// a query.
public final class Reptile<Loss: TaskLoss> where Loss.S == Float {
    /// φ, the meta-parameters.
    public let meta: ParameterStore<Float>
    private let loss: Loss
    /// α, the same for all numbers.
    public let rates: ParameterStore<Float>
    private let gradient: ParameterStore<Float>
    private let learnedSubset: LearnedSubset
    private let optimizer: Optimizer

    /// - Parameters:
    ///   - configuration: the settings; its number of steps is not used, because there is one for each batch.
    ///   - meta: the initial meta-parameters, which are changed by learning; a store other than the loss's.
    ///   - loss: the loss of a task.
    /// - Throws: a setting that is not valid.
    public init(_ configuration: MetaConfiguration, meta: ParameterStore<Float>, loss: Loss) throws(SettingsError) {
        try configuration.validate()
        self.meta = meta
        self.loss = loss
        gradient = ParameterStore(loss.gradients.layout)
        rates = ParameterStore(loss.gradients.layout)
        rates.values.fill(configuration.innerRate)
        learnedSubset = LearnedSubset(gradient.layout, among: meta.layout)
        optimizer = Optimizer(
            try updateRule(configuration.optimizer, settings: configuration.optimizerSettings), parameters: meta, gradients: gradient)
    }

    /// Takes one meta-step.
    /// - Parameter tasks: for each task the batches to adapt to, one after the other.
    /// - Returns: the mean over the tasks of the loss before the last step.
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
                learnedSubset.descend(task, along: loss.gradients, rates: rates)
            }
            learnedSubset.addDifference(from: meta, to: task, into: gradient)
            total += Double(last)
        }
        optimizer.step(averaging: tasks.count)
        return total / Double(tasks.count)
    }
}
