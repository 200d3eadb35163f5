import Statistics

/// What a buffer knows of a stored item without looking at it.
public struct ReplaySlot: Codable, Sendable, Equatable {
    /// Counts all items ever offered, from 0.
    public let serial: Int
    public let source: String
    /// Nil where the item has none.
    public let label: Int?
    public let bytes: Int
    /// The loss it last had, for policies that care.
    public var priority: Double
}

/// How many items were offered so far, the newest included: in all and by label.
public struct ReplayCounts: Codable, Sendable, Equatable {
    public private(set) var total = 0
    private var labels: [Int: Int] = [:]
    private var unlabelled = 0

    init() {}

    mutating func add(_ label: Int?) {
        total += 1
        if let label { labels[label, default: 0] += 1 } else { unlabelled += 1 }
    }

    public subscript(label: Int?) -> Int { label.map { labels[$0, default: 0] } ?? unlabelled }
}

/// Which items a full buffer keeps, and which of them are learned from again.
public protocol ReplayPolicy: Settings {
    /// The stored item that makes room for the newcomer; nil where the newcomer is not kept. `slots` is not empty.
    func victim(for newcomer: ReplaySlot, among slots: [ReplaySlot], seen: ReplayCounts, using random: inout RandomSource) -> Int?

    /// Different items to learn from again; `count` is at most their number.
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

/// The policy of a name with settings laid over its defaults.
public func replayPolicy(
    _ name: String, settings: JSONValue = .object([:]), from list: Named<any ReplayPolicy> = replayPolicies
) throws(SettingsError) -> any ReplayPolicy {
    var policy = try list.find(name, for: "replay")
    try policy.merge(settings)
    return policy
}
