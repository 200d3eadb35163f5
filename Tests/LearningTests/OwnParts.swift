import Learning
import Statistics
import Tensors

/// One part of each kind, defined outside the library, which the lists accept.
enum OwnParts {
    static var lists: LearningLists {
        var lists = LearningLists()
        lists.strategies = lists.strategies.adding("small", [SmallLogits()])
        lists.optimizers = lists.optimizers.adding("signs", SignRule())
        lists.replayPolicies = lists.replayPolicies.adding("first", FirstReplay())
        lists.driftDetectors = lists.driftDetectors.adding("Above", Above.self)
        return lists
    }
}

/// Regularises logits towards 0 by a term, and weights towards their values at the end of a domain.
struct SmallLogits: Strategy {
    static let name = "small"
    var smallness = 0.01

    var replays: Bool { true }

    func validate() throws(SettingsError) { try SettingsError.require(smallness >= 0, "smallness", "\(smallness) is negative") }

    func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        let rows = site.graph.input(site.logits.shape)
        site.add(site.graph.mean(site.graph.activate(site.logits, .square), weights: rows), scale: smallness)
        return Bound(rows, site.parameters)
    }

    private final class Bound: BoundStrategy {
        let rows: Tensor<Float>, weights: ParameterStore<Float>
        var home: [Float] = [], steps = 0

        init(_ rows: Tensor<Float>, _ weights: ParameterStore<Float>) { (self.rows, self.weights) = (rows, weights) }

        func prepare(_ step: StrategyStep) {
            rows.fill(0)
            for row in step.new { for k in 0..<rows.columns { rows.values[row.place * rows.columns + k] = 1 } }
        }

        func correct(_ gradients: ParameterStore<Float>) {
            steps += 1
            guard !home.isEmpty else { return }
            for parameter in gradients.layout.parameters {
                let range = weights.layout.range(of: parameter.name)!
                let own = gradients[parameter.name]
                for (place, index) in range.enumerated() { own[place] += 0.01 * (weights.values[index] - home[index]) }
            }
        }

        func consolidate() { home = Array(weights.values) }

        var state: StrategyState { StrategyState(progress: ["steps": .integer(steps)], tensors: ["home": home]) }

        func restore(_ state: StrategyState) throws(Optimizer.StateError) {
            guard case .object(let progress) = state.progress, case .integer(let steps)? = progress["steps"],
                let home = state.tensors["home"], home.isEmpty || home.count == weights.values.count
            else { throw Optimizer.StateError(description: "a toy's state") }
            (self.steps, self.home) = (steps, home)
        }
    }
}

/// Steps of one length against the gradient's sign.
struct SignRule: UpdateRule {
    var learningRate = 0.001
    var clipNorm = 0.0
    var decayVectors = false
    var schedule = Schedule()

    var moments: [String] { [] }

    func validate() throws(SettingsError) {}

    func update(_ run: WeightRun, _ step: OptimizerStep) {
        for place in 0..<run.count {
            run.weights[place] -= Float(step.learningRate) * (run.gradients[place] > 0 ? 1 : run.gradients[place] < 0 ? -1 : 0)
        }
    }
}

/// Keeps the first items.
struct FirstReplay: ReplayPolicy {
    func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int? { nil }
}

/// Fires on every third number above a threshold.
struct Above: DriftDetector {
    struct Configuration: Settings {
        var threshold = 0.1

        func validate() throws(SettingsError) {}
    }

    private let threshold: Double
    private var count = 0

    init(_ settings: Configuration) { threshold = settings.threshold }

    mutating func update(_ x: Double) -> Bool {
        count += x > threshold ? 1 : 0
        return x > threshold && count.isMultiple(of: 3)
    }
}
