import Statistics
import Tensors

/// Online distillation: a smaller model learns the same moments as its teacher, whose logits of each moment are given when it is new and
/// remembered with it; new and replayed rows are regularised towards them. Without a teacher it is experience replay.
///
///     loss += taughtWeight · mean of (logits − teacher's logits)² over new and replayed rows
///
/// Ba and Caruana 2014, https://arxiv.org/abs/1312.6184 (logits as targets); Hinton et al. 2015, https://arxiv.org/abs/1503.02531
public struct TaughtReplay: Strategy {
    public static let name = "student"

    /// The weight of the term.
    public var taughtWeight = 0.5

    public init() {}

    public func validate() throws(SettingsError) { try requireWeight(taughtWeight, "taught_weight") }

    public var replays: Bool { true }
    public var storesLogits: Bool { true }
    public var followsTeacher: Bool { true }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        guard taughtWeight > 0 else { return nil }
        let taught = HeldLogits(site.logits, in: site.graph)
        site.add(taught.distance, scale: taughtWeight)
        return Bound(taught)
    }

    /// Targets of a served prediction: the logarithms of probabilities, of mean 0.
    /// - Parameter probabilities: of all classes; those below `least` count as `least`.
    public static func logits(of probabilities: [Float]) -> [Float] {
        let logarithms = probabilities.map { Float.log(max($0, least)) }
        let mean = logarithms.reduce(0, +) / Float(max(1, logarithms.count))
        return logarithms.map { $0 - mean }
    }

    /// A probability below this one is not worth being matched.
    public static let least: Float = 1e-4

    private final class Bound: BoundStrategy {
        private let taught: HeldLogits

        init(_ taught: HeldLogits) { self.taught = taught }

        func prepare(_ step: StrategyStep) {
            taught.clear()
            for row in step.new + step.recalled where !row.logits.isEmpty { taught.set(row.place, row.logits) }
        }
    }
}
