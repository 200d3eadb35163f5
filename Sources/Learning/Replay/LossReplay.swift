import Foundation
import Statistics

/// A reservoir from which items are drawn with probabilities proportional to the power `sharpness` of their last loss.
/// Schaul et al. 2016, https://arxiv.org/abs/1511.05952
public struct LossReplay: ReplayPolicy {
    /// 0 draws uniformly, 1 in proportion to the loss.
    public var sharpness = 0.6
    /// Added to every loss, so that well-learned items are still drawn sometimes.
    public var floor = 0.01

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require(sharpness >= 0 && sharpness <= 10, "sharpness", "\(sharpness) is not in 0…10")
        try SettingsError.require(floor > 0, "floor", "\(floor) is not positive")
    }

    public func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int? {
        ReservoirReplay().victim(for: newcomer, among: slots, seen: seen, using: &random)
    }

    /// Drawn without replacement: the items with the greatest log(u) / weight, u uniform.
    /// Efraimidis and Spirakis 2006, https://doi.org/10.1016/j.ipl.2005.11.003
    public func draw(_ count: Int, from slots: [ReplaySlot], using random: inout RandomSource) -> [Int] {
        let keys = slots.map { slot in log(1 - random.uniform()) / pow(max(0, slot.priority) + floor, sharpness) }
        return slots.indices.sorted { keys[$0] > keys[$1] }.prefix(count).map { $0 }
    }
}
