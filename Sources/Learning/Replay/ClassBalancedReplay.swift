import Statistics

/// Class-balancing reservoir: an item of a smaller class replaces one of the largest class; within a class that was ever the largest,
/// every item is kept with the same probability.  Chrysakis and Moens 2020, https://proceedings.mlr.press/v119/chrysakis20a.html
public struct ClassBalancedReplay: ReplayPolicy {
    public init() {}

    public func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int? {
        var members: [Int?: [Int]] = [:]
        for (index, slot) in slots.enumerated() { members[slot.label, default: []].append(index) }
        let largest = members.values.reduce(0) { max($0, $1.count) }
        let own = members[newcomer.label] ?? []
        if own.count < largest {
            let candidates = slots.indices.filter { members[slots[$0].label]?.count == largest }
            return candidates[random.uniform(below: candidates.count)]
        }
        let place = random.uniform(below: max(seen[newcomer.label], own.count))
        return place < own.count ? own[place] : nil
    }
}
