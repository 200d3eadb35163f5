import Statistics

/// Reservoir sampling: every item seen is in the buffer with the same probability.  Vitter 1985, https://doi.org/10.1145/3147.3165
public struct ReservoirReplay: ReplayPolicy {
    public init() {}

    public func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int? {
        let place = random.uniform(below: max(seen.total, slots.count))
        return place < slots.count ? place : nil
    }
}
