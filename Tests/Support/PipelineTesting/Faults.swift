/// The faults of a simulated bus: each is a probability for one message to one subscriber.
public struct Faults: Sendable {
    public var drop = 0.0
    public var duplicate = 0.0
    /// The message is delivered after the next `delayedBy` messages, so that the order changes.
    public var delay = 0.0
    public var delayedBy = 3
    public var seed: UInt64 = 1

    public init() {}
}

/// Applies faults to messages in order; the same seed gives the same faults.
struct FaultInjector<Item> {
    private let faults: Faults
    private var state: UInt64
    private var delayed: [(remaining: Int, item: Item)] = []

    init(_ faults: Faults) {
        self.faults = faults
        state = faults.seed
    }

    /// The items that are delivered when `item` is sent.
    mutating func pass(_ item: Item) -> [Item] {
        var arriving: [Item] = []
        if chance(faults.delay) {
            delayed.append((faults.delayedBy, item))
        } else if !chance(faults.drop) {
            arriving = chance(faults.duplicate) ? [item, item] : [item]
        }
        for index in delayed.indices { delayed[index].remaining -= 1 }
        arriving += delayed.filter { $0.remaining < 0 }.map(\.item)
        delayed.removeAll { $0.remaining < 0 }
        return arriving
    }

    /// SplitMix64, https://prng.di.unimi.it/splitmix64.c
    private mutating func chance(_ probability: Double) -> Bool {
        guard probability > 0 else { return false }
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Double(z >> 11) / Double(1 << 53) < probability
    }
}
