import Statistics

/// The newest item always replaces a random one, so the density of kept items decreases exponentially with age.
/// Aggarwal 2006, https://dl.acm.org/doi/10.5555/1182635.1164180
public struct RecencyReplay: ReplayPolicy {
    public init() {}

    public func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int? {
        random.uniform(below: slots.count)
    }
}
