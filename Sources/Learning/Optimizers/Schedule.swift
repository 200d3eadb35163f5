import Foundation
import Statistics

/// The learning rate as a function of the step: a linear warm-up, then a shape.
public struct Schedule: Settings {
    /// The shape after the warm-up.
    public enum Shape: String, Choice {
        /// The full rate.
        case constant
        /// Half a cosine from the full rate to `finalShare` at `totalSteps`.  https://arxiv.org/abs/1608.03983
        case cosine
        /// Proportional to 1/√step.  https://arxiv.org/abs/1706.03762
        case inverseSquareRoot = "inverse_square_root"
    }

    /// The shape after the warm-up.
    public var shape = Shape.constant
    /// The number of steps over which the rate rises linearly; 0 for none.
    public var warmupSteps = 0
    /// The step at which a cosine ends; the rate is constant afterwards.
    public var totalSteps = 10_000
    /// The share of the rate at the end of a cosine.
    public var finalShare = 0.0

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require(warmupSteps >= 0, "schedule.warmup_steps", "\(warmupSteps) is negative")
        try SettingsError.require(
            shape != .cosine || totalSteps > warmupSteps, "schedule.total_steps",
            "\(totalSteps) leaves nothing after \(warmupSteps) warm-up steps")
        try SettingsError.require((0...1).contains(finalShare), "schedule.final_share", "\(finalShare) is not in 0…1")
    }

    /// The factor of the learning rate at a step, counted from 1.
    public func share(at step: Int) -> Double {
        if step <= warmupSteps { return Double(step) / Double(warmupSteps) }
        switch shape {
        case .constant:
            return 1
        case .cosine:
            let progress = min(1, Double(step - warmupSteps) / Double(totalSteps - warmupSteps))
            return finalShare + (1 - finalShare) * (1 + cos(.pi * progress)) / 2
        case .inverseSquareRoot:
            return (Double(max(1, warmupSteps)) / Double(step)).squareRoot()
        }
    }
}
