import Foundation
import Statistics

/// How the learning rate moves with the steps: a linear warm-up, then a shape.
public struct Schedule: Settings {
    public enum Shape: String, Choice {
        case constant
        /// Down to `finalShare` at `totalSteps` along half a cosine.  https://arxiv.org/abs/1608.03983
        case cosine
        /// As 1/√step after the warm-up.  https://arxiv.org/abs/1706.03762
        case inverseSquareRoot = "inverse_square_root"
    }

    public var shape = Shape.constant
    /// The rate grows in equal parts up to this step; 0 for none.
    public var warmupSteps = 0
    /// Where a cosine ends; it stays at its end from there on.
    public var totalSteps = 10_000
    /// What share of the rate a cosine ends at.
    public var finalShare = 0.0

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require(warmupSteps >= 0, "schedule.warmup_steps", "\(warmupSteps) is negative")
        try SettingsError.require(
            shape != .cosine || totalSteps > warmupSteps, "schedule.total_steps",
            "\(totalSteps) leaves nothing after \(warmupSteps) warm-up steps")
        try SettingsError.require((0...1).contains(finalShare), "schedule.final_share", "\(finalShare) is not in 0…1")
    }

    /// What share of the learning rate the `step`-th step takes, from 1.
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
