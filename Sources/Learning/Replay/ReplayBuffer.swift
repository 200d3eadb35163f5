import Statistics
import StrictJSON

/// A bounded memory of items for replay.
///
/// It is a value: its whole state, including the random source, can be saved and restored exactly if its items are `Codable`.
public struct ReplayBuffer<Item: Sendable>: Sendable {
    /// An item drawn from a buffer.
    public struct Drawn: Sendable {
        /// The item's serial number, for `setPriority`.
        public let serial: Int
        /// Its sender.
        public let source: String
        /// The item.
        public let item: Item
    }

    /// The name of the replay policy.
    public let policyName: String
    /// The maximal number of items.
    public let capacity: Int
    /// The maximal size of all items, in bytes.
    public let byteCapacity: Int
    /// Descriptions of the stored items, in the buffer's order.
    public private(set) var slots: [ReplaySlot] = []
    /// The size of all stored items, in bytes.
    public private(set) var bytes = 0
    /// The counts of all items seen: stored, replaced and rejected.
    public private(set) var seen = ReplayCounts()

    private var policy: any ReplayPolicy
    private var random: RandomSource
    private var items: [Item] = []

    /// - Parameters:
    ///   - policy: a name in the list.
    ///   - settings: settings that replace the policy's defaults.
    ///   - list: the replay policies by name.
    ///   - capacity: the maximal number of items.
    ///   - byteCapacity: the maximal size of all items, in bytes; a larger item is never stored.
    ///   - random: the source of random numbers.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public init(
        policy: String = "reservoir", settings: JSON = .object([:]), from list: Named<any ReplayPolicy> = replayPolicies,
        capacity: Int, byteCapacity: Int = .max, random: RandomSource
    ) throws(SettingsError) {
        try SettingsError.require(capacity >= 0, "capacity", "\(capacity) is negative")
        try SettingsError.require(byteCapacity >= 0, "byte_capacity", "\(byteCapacity) is negative")
        self.policy = try replayPolicy(policy, settings: settings, from: list)
        policyName = policy
        self.capacity = capacity
        self.byteCapacity = byteCapacity
        self.random = random
    }

    /// The number of stored items.
    public var count: Int { items.count }

    /// Adds an item, if the policy keeps it.
    ///
    /// - Parameters:
    ///   - item: the item.
    ///   - source: its sender.
    ///   - label: its class, if any.
    ///   - bytes: its size.
    ///   - priority: its loss, for policies that use it; 1 if it is not finite.
    /// - Returns: whether it is stored.
    @discardableResult
    public mutating func add(
        _ item: Item, source: String = "", label: Int? = nil, bytes: Int = MemoryLayout<Item>.size, priority: Double = 1
    ) -> Bool {
        precondition(bytes >= 0, "an item of \(bytes) bytes")
        let priority = priority.isFinite ? priority : 1
        let newcomer = ReplaySlot(serial: seen.total, source: source, label: label, bytes: bytes, priority: priority)
        seen.add(label)
        guard capacity > 0, bytes <= byteCapacity else { return false }
        while count == capacity || self.bytes > byteCapacity - bytes {
            guard let victim = policy.victim(for: newcomer, among: slots, seen: seen, using: &random) else { return false }
            remove(at: victim)
        }
        slots.append(newcomer)
        items.append(item)
        self.bytes += bytes
        return true
    }

    /// Draws different items by the policy: `wanted` of them, or all if there are fewer.
    public mutating func draw(_ wanted: Int) -> [Drawn] {
        guard count > 0, wanted > 0 else { return [] }
        return policy.draw(min(wanted, count), from: slots, using: &random).map {
            Drawn(serial: slots[$0].serial, source: slots[$0].source, item: items[$0])
        }
    }

    /// Draws different items that satisfy a condition, all of them equally likely: `wanted`, or all if there are fewer.
    mutating func draw(_ wanted: Int, where isWanted: (Item) -> Bool) -> [Drawn] {
        var places = items.indices.filter { isWanted(items[$0]) }
        return (0..<max(0, min(wanted, places.count))).map { _ in
            let place = places.remove(at: random.uniform(below: places.count))
            return Drawn(serial: slots[place].serial, source: slots[place].source, item: items[place])
        }
    }

    /// Sets the loss of an item; it has no effect if the item is not stored any more or the loss is not finite.
    public mutating func setPriority(_ priority: Double, of serial: Int) {
        guard priority.isFinite, let index = slots.firstIndex(where: { $0.serial == serial }) else { return }
        slots[index].priority = priority
    }

    /// Removes all items of a source.
    /// - Returns: how many there were.
    @discardableResult
    public mutating func removeAll(from source: String) -> Int { removeAll { $0.source == source } }

    /// Removes the items that satisfy a condition; returns how many there were.
    mutating func removeAll(where isUnwanted: (ReplaySlot) -> Bool) -> Int {
        let kept = slots.indices.filter { !isUnwanted(slots[$0]) }
        let removed = count - kept.count
        items = kept.map { items[$0] }
        slots = kept.map { slots[$0] }
        bytes = slots.reduce(0) { $0 + $1.bytes }
        return removed
    }

    /// The number of stored items of each source.
    public var countBySource: [String: Int] { slots.reduce(into: [:]) { $0[$1.source, default: 0] += 1 } }

    /// The same buffer with its items transformed: to pack a memory for a checkpoint, and to unpack it.
    func mapItems<Other: Sendable, Failure: Error>(_ change: (Item) throws(Failure) -> Other) throws(Failure) -> ReplayBuffer<Other> {
        var others: [Other] = []
        for item in items { others.append(try change(item)) }
        return ReplayBuffer<Other>(
            policyName: policyName, capacity: capacity, byteCapacity: byteCapacity, slots: slots, bytes: bytes, seen: seen, policy: policy,
            random: random, items: others)
    }

    fileprivate init(
        policyName: String, capacity: Int, byteCapacity: Int, slots: [ReplaySlot], bytes: Int, seen: ReplayCounts, policy: any ReplayPolicy,
        random: RandomSource, items: [Item]
    ) {
        (self.policyName, self.capacity, self.byteCapacity) = (policyName, capacity, byteCapacity)
        (self.slots, self.bytes, self.seen, self.policy, self.random, self.items) = (slots, bytes, seen, policy, random, items)
    }

    /// Removes an item; the last one moves to its index.
    private mutating func remove(at index: Int) {
        bytes -= slots[index].bytes
        slots.swapAt(index, count - 1)
        items.swapAt(index, count - 1)
        slots.removeLast()
        items.removeLast()
    }
}

extension ReplayBuffer: Codable where Item: Codable {
    private enum CodingKeys: CodingKey { case policy, settings, capacity, byteCapacity, slots, seen, random, items }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            policy: container.decode(String.self, forKey: .policy), settings: container.decode(JSON.self, forKey: .settings),
            from: decoder.userInfo[.replayPolicies] as? Named<any ReplayPolicy> ?? replayPolicies,
            capacity: container.decode(Int.self, forKey: .capacity), byteCapacity: container.decode(Int.self, forKey: .byteCapacity),
            random: container.decode(RandomSource.self, forKey: .random))
        slots = try container.decode([ReplaySlot].self, forKey: .slots)
        seen = try container.decode(ReplayCounts.self, forKey: .seen)
        items = try container.decode([Item].self, forKey: .items)
        bytes = slots.reduce(0) { $0.clampedAdding($1.bytes) }
        for index in slots.indices where !slots[index].priority.isFinite { slots[index].priority = 1 }
        let isSound = slots.allSatisfy { $0.bytes >= 0 && $0.serial >= 0 && $0.serial < seen.total }
        guard isSound, slots.count == items.count, count <= capacity, bytes <= byteCapacity else {
            throw DecodingError.dataCorruptedError(
                forKey: .items, in: container,
                debugDescription: "\(items.count) items of \(bytes) bytes in \(slots.count) slots do not fit the buffer")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(policyName, forKey: .policy)
        try container.encode(policy.value, forKey: .settings)
        try container.encode(capacity, forKey: .capacity)
        try container.encode(byteCapacity, forKey: .byteCapacity)
        try container.encode(slots, forKey: .slots)
        try container.encode(seen, forKey: .seen)
        try container.encode(random, forKey: .random)
        try container.encode(items, forKey: .items)
    }
}

extension CodingUserInfoKey {
    /// The key of a `Named<any ReplayPolicy>` in a decoder's `userInfo`, for buffers with policies that are not in `replayPolicies`.
    public static let replayPolicies = CodingUserInfoKey("replayPolicies")
}
