import Statistics

/// Past experience to learn from again, bounded in items and in bytes.
///
/// A value: its whole state, the random source included, is written down and restored exactly where its items can be.
public struct ReplayBuffer<Item: Sendable>: Sendable {
    /// An item drawn from a buffer, and the serial by which to tell the loss it then had.
    public struct Drawn: Sendable {
        public let serial: Int
        public let item: Item
    }

    public let policyName: String
    public let capacity: Int
    public let byteCapacity: Int
    /// What is stored, in the buffer's order.
    public private(set) var slots: [ReplaySlot] = []
    /// Bytes of all that is stored.
    public private(set) var bytes = 0
    /// Everything ever offered.
    public private(set) var seen = ReplayCounts()

    private var policy: any ReplayPolicy
    private var random: RandomSource
    private var items: [Item] = []

    /// - Parameters:
    ///   - policy: a name in the list.
    ///   - byteCapacity: a single item larger than this is never kept.
    public init(
        policy: String = "reservoir", settings: JSONValue = .object([:]), from list: Named<any ReplayPolicy> = replayPolicies,
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

    public var count: Int { items.count }

    /// Offers an item. True where it is kept. A priority that is not finite counts as 1.
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

    /// Draws different items, as many as asked for or as there are.
    public mutating func draw(_ wanted: Int) -> [Drawn] {
        guard count > 0, wanted > 0 else { return [] }
        return policy.draw(min(wanted, count), from: slots, using: &random).map { Drawn(serial: slots[$0].serial, item: items[$0]) }
    }

    /// Tells the loss that a drawn item had; one that is no longer stored is passed over.
    public mutating func setPriority(_ priority: Double, of serial: Int) {
        guard priority.isFinite, let index = slots.firstIndex(where: { $0.serial == serial }) else { return }
        slots[index].priority = priority
    }

    /// Forgets everything a source sent; how many items that were.
    @discardableResult
    public mutating func removeAll(from source: String) -> Int { removeAll { $0.source == source } }

    /// Forgets the items of which a condition holds; how many they were.
    mutating func removeAll(where isUnwanted: (ReplaySlot) -> Bool) -> Int {
        let kept = slots.indices.filter { !isUnwanted(slots[$0]) }
        let removed = count - kept.count
        items = kept.map { items[$0] }
        slots = kept.map { slots[$0] }
        bytes = slots.reduce(0) { $0 + $1.bytes }
        return removed
    }

    /// How many items of each source there are.
    public var countBySource: [String: Int] { slots.reduce(into: [:]) { $0[$1.source, default: 0] += 1 } }

    /// The same buffer with other items in the places of its own: how a memory is packed to be written and unpacked when it is read.
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

    /// The last takes the place of the one that goes.
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
            policy: container.decode(String.self, forKey: .policy), settings: container.decode(JSONValue.self, forKey: .settings),
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
    /// Where a decoder of buffers finds a `Named<any ReplayPolicy>` that is longer than `replayPolicies`.
    public static let replayPolicies = CodingUserInfoKey("replayPolicies")
}
