import Statistics
import Tensors

/// Experience replay with an asymmetric cross entropy (ER-ACE): the cross entropy of new rows is over the recent classes only, so that
/// they do not reduce the logits of old classes; that of replayed rows is over all classes.
///
/// Caccia et al. 2022, https://arxiv.org/abs/2104.05025. In the paper, the recent classes are those of the incoming batch; if rows
/// come one at a time, that would be the row's own class only, from which nothing can be learned.
public struct AsymmetricReplay: Strategy {
    public static let name = "er-ace"

    /// The number of last labelled rows whose classes are recent; those of the current step always are.
    public var window = 10

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require((1...1_000_000).contains(window), "window", "\(window) is not in 1…1000000")
    }

    public var replays: Bool { true }
    public var masksClasses: Bool { true }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        site.classMask.map { Bound(mask: $0, window: window) }
    }

    private final class Bound: BoundStrategy {
        private let mask: Tensor<Float>
        private let window: Int
        /// The classes of the last labelled rows, at most `window`.
        private var recent: [Int] = []

        init(mask: Tensor<Float>, window: Int) {
            self.mask = mask
            self.window = window
        }

        func prepare(_ step: StrategyStep) {
            mask.fill(0)
            let own = step.new.compactMap(\.label)
            let present = Set(own + recent.suffix(max(0, window - own.count))), classes = mask.columns
            for row in step.new {
                for k in 0..<classes where !present.contains(k) { mask.values[row.place * classes + k] = -1e9 }
            }
        }

        func finish(_ labels: [Int]) { recent = (recent + labels).suffix(window) }

        var state: StrategyState { StrategyState(progress: ["recent": .array(recent.map { .integer($0) })]) }

        func restore(_ state: StrategyState) throws(Optimizer.StateError) {
            guard let read = state.progress.decoded(as: [String: [Int]].self)?["recent"] else {
                throw .init(description: "the recent classes are missing")
            }
            recent = read.suffix(window)
        }
    }
}
