import Statistics
import Model
import Tensors

/// A model's graph with what a mix of strategies adds to its loss: recorded anew when the mix changes, over the same parameters.
final class StrategyGraph {
    let moments: MultimodalGraph<Float>
    let strategies: BoundStrategies<MomentJudge>
    /// The new row and the recalled ones; behind them come those that are recalled beside.
    let rows: Int

    /// - Parameters:
    ///   - trunk: what of the language trunk learns; nil: nothing.
    ///   - rows: the new one and those that are recalled.
    init(
        _ model: MultimodalModel, parameters: ParameterStore<Float>, _ mix: StrategyMix, trunk: LearningScope?, rows: Int,
        languageRows: Int, team: Team
    ) {
        self.rows = rows
        moments = MultimodalGraph(
            model, parameters: parameters, batch: rows + mix.rowsBeside, languageRows: languageRows, masksClasses: mix.masksClasses,
            learning: { mix.learns($0.name) && model.learns($0, trunk: trunk) }, team: team)
        strategies = BoundStrategies(
            mix, in: moments.graph, logits: moments.logits, classMask: moments.classMask, loss: moments.loss,
            rows: (new: 1, candidates: rows)
        ) { parameters, rows in MomentJudge(model, parameters: parameters, rows: rows, team: team) }
    }

    func backward() { moments.graph.backward(from: strategies.loss) }

    func logits(row: Int) -> [Float] {
        let classes = moments.logits.columns
        return Array(moments.logits.values[row * classes..<(row + 1) * classes])
    }

    /// The class that a row's logits say.
    func likeliest(row: Int) -> Int {
        let values = logits(row: row)
        return values.argmax ?? 0
    }
}
