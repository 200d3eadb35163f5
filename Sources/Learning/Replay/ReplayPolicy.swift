import Statistics
import StrictJSON

/// The description of a stored item.
public struct ReplaySlot: Codable, Sendable, Equatable {
    /// The item's number among all items seen, from 0.
    public let serial: Int
    /// The item's sender.
    public let source: String
    /// The item's class; nil if it has none.
    public let label: Int?
    /// The item's size.
    public let bytes: Int
    /// The item's last loss, for policies that use it.
    public var priority: Double
}

/// The number of items seen so far, including the newest: in total and by label.
public struct ReplayCounts: Codable, Sendable, Equatable {
    /// The number of all items seen.
    public private(set) var total = 0
    private var labels: [Int: Int] = [:]
    private var unlabelled = 0

    init() {}

    mutating func add(_ label: Int?) {
        total += 1
        if let label { labels[label, default: 0] += 1 } else { unlabelled += 1 }
    }

    /// The number of items seen with a label, or without one for nil.
    public subscript(label: Int?) -> Int { label.map { labels[$0, default: 0] } ?? unlabelled }
}

/// Decides which items a full buffer keeps, and which of them are replayed.
public protocol ReplayPolicy: Settings {
    /// The index of the stored item that is replaced by a new one; nil if the new one is rejected. `slots` is not empty.
    func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int?

    /// The indices of `count` different items to replay; `count` is at most the number of slots.
    func draw(_ count: Int, from slots: [ReplaySlot], using random: inout RandomSource) -> [Int]
}

extension ReplayPolicy {
    public func draw(_ count: Int, from slots: [ReplaySlot], using random: inout RandomSource) -> [Int] {
        random.sample(count, below: slots.count)
    }

    public func validate() throws(SettingsError) {}
}

/// Every replay policy, by the name that configurations use.
public let replayPolicies: Named<any ReplayPolicy> = [
    "reservoir": ReservoirReplay(),
    "class-balanced": ClassBalancedReplay(),
    "recency": RecencyReplay(),
    "loss": LossReplay(),
]

/// The replay policy of a name.
///
/// - Parameters:
///   - name: a name in the list.
///   - settings: settings that replace the policy's defaults.
///   - list: the replay policies by name.
/// - Throws: `SettingsError`, if the name or a setting is invalid.
public func replayPolicy(
    _ name: String, settings: JSON = .object([:]), from list: Named<any ReplayPolicy> = replayPolicies
) throws(SettingsError) -> any ReplayPolicy {
    var policy = try list.find(name, for: "replay")
    try policy.merge(settings)
    return policy
}
