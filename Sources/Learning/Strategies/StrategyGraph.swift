import Statistics
import Model
import Tensors

/// A model's graph with the loss terms of a mix of strategies. When the mix changes, a new one is recorded over the same parameters.
final class StrategyGraph {
    let moments: MultimodalGraph<Float>
    let strategies: BoundStrategies<MomentScorer>
    /// The number of rows for the new moment and the replayed ones; additional rows follow them.
    let rows: Int

    /// - Parameters:
    ///   - trunk: the part of the language trunk that learns; nil: none.
    ///   - rows: the number of rows for the new moment and the replayed ones.
    init(
        _ model: MultimodalModel, parameters: ParameterStore<Float>, _ mix: StrategyMix, trunk: LearningScope?, rows: Int,
        languageRows: Int, team: Team
    ) {
        self.rows = rows
        moments = MultimodalGraph(
            model, parameters: parameters, batch: rows + mix.additionalRows, languageRows: languageRows, masksClasses: mix.masksClasses,
            learning: { mix.learns($0.name) && model.learns($0, trunk: trunk) }, team: team)
        strategies = BoundStrategies(
            mix, in: moments.graph, logits: moments.logits, classMask: moments.classMask, loss: moments.loss,
            rows: (new: 1, candidates: rows)
        ) { parameters, rows in MomentScorer(model, parameters: parameters, rows: rows, team: team) }
    }

    func backward() { moments.graph.backward(from: strategies.loss) }

    func logits(row: Int) -> [Float] {
        let classes = moments.logits.columns
        return Array(moments.logits.values[row * classes..<(row + 1) * classes])
    }

    /// The class with the largest logit of a row.
    func mostLikely(row: Int) -> Int {
        let values = logits(row: row)
        return values.argmax ?? 0
    }
}
