import Model
import Tensors

/// Finds the remembered moments that a step for the new moment would harm most.
///
///     interference = loss(w − rate · gradient) − loss(w)
///
/// Aljundi et al. 2019, https://arxiv.org/abs/1908.04742
final class InterferenceSearch {
    private let now: MomentJudge
    private let after: MomentJudge

    /// - Parameter rows: judged at a time.
    init(_ model: MultimodalModel, parameters: ParameterStore<Float>, rows: Int, team: Team) {
        now = MomentJudge(model, parameters: parameters, rows: rows, team: team)
        after = MomentJudge(model, parameters: ParameterStore(parameters.layout), rows: rows, team: team)
    }

    /// - Parameter gradients: of the new moment alone.
    /// - Returns: so many of the candidates, the most harmed first; equal ones in their order.
    func mostHarmed<Item>(
        _ count: Int, of candidates: [ReplayBuffer<Item>.Drawn], moment: (Item) -> MomentInput, by gradients: ParameterStore<Float>,
        rate: Double
    ) -> [ReplayBuffer<Item>.Drawn] {
        guard candidates.count > count else { return candidates }
        after.parameters.assign(from: now.parameters)
        for parameter in gradients.layout.parameters {
            let (w, g) = (after.parameters[parameter.name], gradients[parameter.name])
            for place in w.indices { w[place] -= Float(rate) * g[place] }
        }
        let moments = candidates.map { moment($0.item) }
        let harm = zip(now.judge(moments), after.judge(moments)).map { ($1?.loss ?? 0) - ($0?.loss ?? 0) }
        let order = harm.indices.sorted { (harm[$0], $1) > (harm[$1], $0) }
        return order.prefix(count).map { candidates[$0] }
    }
}
