import Model
import Tensors

/// Makes the steps of a learner again from the state in which it began, without some of their rows: what influence is checked against.
///
/// The strategy may replay, and must have no terms of its own in the loss. It has one owner.
public final class StepReplay: StepObserver {
    /// The rows of each step.
    public private(set) var steps: [[StepRow]] = []
    private var pending: [StepRow] = []
    private let start: ParameterStore<Float>
    private let state: Optimizer.State
    private let graph: MultimodalGraph<Float>
    private let optimizer: Optimizer
    private let scorer: MomentScorer

    /// Begins with the current state of a learner.
    /// - Throws: `SettingsError`, if its method cannot be used again.
    public init(_ learner: OnlineLearner) throws {
        precondition(learner.graph.strategies.isEmpty, "a strategy with terms of its own cannot be replayed")
        start = learner.parameters.copy()
        state = learner.optimizer.state
        let learned = Set(learner.graph.moments.gradients.layout.parameters.map(\.name))
        graph = MultimodalGraph(
            learner.model, parameters: start.copy(), batch: learner.graph.moments.batch,
            languageRows: learner.graph.moments.languageRows, learning: { learned.contains($0.name) })
        optimizer = Optimizer(try learner.method.rule(from: learner.lists), parameters: graph.parameters, gradients: graph.gradients)
        scorer = MomentScorer(learner.model, parameters: graph.parameters, rows: 16)
    }

    public func willStep(_ rows: [StepRow]) { pending = rows }

    public func didStep(_ moved: Bool, rate: Double) {
        if moved { steps.append(pending) }
    }

    /// The mean loss on labelled moments after the steps without some rows.
    /// - Parameter isLeftOut: whether a row is left out.
    /// - Throws: `Optimizer.StateError`, which cannot happen with a state of the same rule.
    public func loss(on moments: [MomentInput], without isLeftOut: (StepRow) -> Bool) throws -> Double {
        graph.parameters.assign(from: start)
        try optimizer.restore(state)
        for rows in steps {
            for row in 0..<graph.batch {
                if row < rows.count, !isLeftOut(rows[row]) {
                    graph.set(rows[row].moment, row: row, hiding: rows[row].hidden, shifts: rows[row].shifts)
                } else {
                    graph.clear(row: row)
                }
            }
            graph.forward()
            graph.backward()
            optimizer.step()
        }
        let losses = scorer.score(moments).compactMap { $0?.loss }
        return losses.reduce(0, +) / Double(max(1, losses.count))
    }
}
