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
    /// - Parameters:
    ///   - isLeftOut: whether a row is left out.
    ///   - isOver: asked before each step: whether there is no time left.
    /// - Returns: whether all steps were made.
    func run(without isLeftOut: (StepRow) -> Bool, until isOver: () -> Bool) -> Bool {
        graph.parameters.assign(from: start)
        do { try optimizer.restore(state) } catch { preconditionFailure("a state of the same rule: \(error)") }
        for rows in steps {
            if isOver() { return false }
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
        return true
    }
}
