import Statistics
import Tensors

/// Experience replay with an asymmetric cross entropy (ER-ACE): new rows compete only with the classes that came lately, so that they do not push down
/// what is old; remembered rows compete with all.
///
/// Caccia et al. 2022, https://arxiv.org/abs/2104.05025. There, classes came lately when they are in the incoming batch; where rows come one at a time, that
/// would be the row's own class alone, which teaches nothing.
public struct AsymmetricReplay: Strategy {
    public static let name = "er-ace"

    /// Among the classes of so many newest labelled rows new ones compete; those that are learned in the same step are always among them.
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
        /// The classes of the newest labelled rows, at most `window`.
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
                throw .init(description: "the classes that came lately are missing")
            }
            recent = read.suffix(window)
        }
    }
}
