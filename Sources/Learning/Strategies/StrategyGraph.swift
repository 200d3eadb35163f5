import Model
import Tensors

/// A model's graph with what a strategy adds to its loss: recorded anew when the strategy changes, over the same parameters.
final class StrategyGraph {
    let moments: MultimodalGraph<Float>
    /// Over recalled rows, and over the new one.
    let matched, distilled: HeldLogits?
    let loss: Tensor<Float>

    /// - Parameters:
    ///   - trunk: what of the language trunk learns; nil: nothing.
    ///   - batch: the new row and the recalled ones.
    init(
        _ model: MultimodalModel, parameters: ParameterStore<Float>, _ strategy: MomentStrategy, trunk: LearningScope?, batch: Int,
        languageRows: Int, team: Team
    ) {
        moments = MultimodalGraph(
            model, parameters: parameters, batch: batch, languageRows: languageRows,
            learning: { learns($0.name, in: strategy.scope) && model.learns($0, trunk: trunk) }, team: team)
        let graph = moments.graph
        var loss = moments.loss
        matched = strategy.matchWeight > 0 ? HeldLogits(moments.logits, in: graph) : nil
        distilled = strategy.distillWeight > 0 ? HeldLogits(moments.logits, in: graph) : nil
        if let matched { loss = graph.add(loss, matched.distance, scale: strategy.matchWeight) }
        if let distilled { loss = graph.add(loss, distilled.distance, scale: strategy.distillWeight) }
        self.loss = loss
    }

    func backward() { moments.graph.backward(from: loss) }

    func logits(row: Int) -> [Float] {
        let classes = moments.logits.columns
        return Array(moments.logits.values[row * classes..<(row + 1) * classes])
    }
}
