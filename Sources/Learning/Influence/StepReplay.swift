import Model
import Statistics
import Tensors

/// Makes the steps of a learner again from the state in which it began, with some of their rows or without.
///
/// The strategy may replay, and must have no terms of its own in the loss. It has one owner.
final class StepReplay {
    /// The rows of each step.
    private(set) var steps: [[StepRow]] = []
    private var pending: [StepRow] = []
    private let start: ParameterStore<Float>
    private let state: Optimizer.State
    private let graph: MultimodalGraph<Float>
    private let optimizer: Optimizer

    /// The parameters after the steps that were made again last.
    var parameters: ParameterStore<Float> { graph.parameters }

    /// Begins with the current state of a learner.
    /// - Throws: `SettingsError`, if its method cannot be used again.
    init(_ learner: OnlineLearner) throws(SettingsError) {
        try SettingsError.require(learner.graph.strategies.isEmpty, "strategy", "its terms of the loss are not made again")
        start = learner.parameters.copy()
        state = learner.optimizer.state
        let learned = Set(learner.graph.moments.gradients.layout.parameters.map(\.name))
        graph = MultimodalGraph(
            learner.model, parameters: start.copy(), batch: learner.graph.moments.batch,
            languageRows: learner.graph.moments.languageRows, learning: { learned.contains($0.name) }, team: learner.team)
        optimizer = Optimizer(
            try learner.method.rule(from: learner.lists), parameters: graph.parameters, gradients: graph.gradients, team: learner.team)
    }

    func willStep(_ rows: [StepRow]) { pending = rows }

    func didStep(_ moved: Bool) {
        if moved { steps.append(pending) }
    }

    /// Makes the steps again; those of which no row is left are not made.
    /// - Parameter isLeftOut: whether a row is left out.
    func run(without isLeftOut: (StepRow) -> Bool) {
        graph.parameters.assign(from: start)
        guard (try? optimizer.restore(state)) != nil else { preconditionFailure("the state of the same rule fits") }
        for rows in steps {
            let isLeft = rows.map { !isLeftOut($0) }
            guard isLeft.contains(true) else { continue }
            for row in 0..<graph.batch {
                if row < rows.count, isLeft[row] {
                    graph.set(rows[row].moment, row: row, hiding: rows[row].hidden, shifts: rows[row].shifts)
                } else {
                    graph.clear(row: row)
                }
            }
            graph.forward()
            graph.backward()
            optimizer.step()
        }
    }
}
