import Statistics
import Tensors

/// Learning without forgetting: the logits of new rows are regularised towards those of the weights of the last consolidation, the
/// teacher.
///
///     loss += distillWeight · mean of (logits − teacher's logits)² over new rows
///
/// Li and Hoiem 2016, https://arxiv.org/abs/1606.09282
public struct Distillation: Strategy {
    public static let name = "lwf"

    /// The weight of the term.
    public var distillWeight = 0.5

    public init() {}

    public func validate() throws(SettingsError) { try requireWeight(distillWeight, "distill_weight") }

    public var memory: StrategyMemory { distillWeight > 0 ? StrategyMemory(weights: 1, newReaders: 1) : StrategyMemory() }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        guard distillWeight > 0 else { return nil }
        let distilled = HeldLogits(site.logits, in: site.graph)
        site.add(distilled.distance, scale: distillWeight)
        return Bound(distilled, site)
    }

    private final class Bound: BoundStrategy {
        private let distilled: HeldLogits
        private let site: StrategySite
        /// Evaluates with the last consolidated weights; nil before the first consolidation.
        private var teacher: (any RowReader)?

        init(_ distilled: HeldLogits, _ site: StrategySite) {
            self.distilled = distilled
            self.site = site
        }

        func prepare(_ step: StrategyStep) {
            distilled.clear()
            guard let teacher, !step.new.isEmpty else { return }
            for (row, logits) in zip(step.new, teacher.logits) { distilled.set(row.place, logits) }
        }

        func consolidate() { teacher = site.reader(of: .new, by: site.parameters.copy()) }

        var state: StrategyState {
            teacher.map { StrategyState(tensors: ["teacher": Array($0.parameters.values)]) } ?? StrategyState()
        }

        func restore(_ state: StrategyState) throws(Optimizer.StateError) {
            guard let numbers = try state.numbers("teacher", site.parameters.values.count) else { return }
            let weights = ParameterStore<Float>(site.parameters.layout)
            _ = weights.values.update(from: numbers)
            teacher = site.reader(of: .new, by: weights)
        }
    }
}
