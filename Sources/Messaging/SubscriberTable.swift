/// The subscriptions that an XPUB socket has received: their number by prefix, and the bytes that each connection has subscribed to.
struct SubscriberTable {
    private let prefixBytes: Int
    private let subscriptionBytes: Int
    private var counts: [[UInt8]: Int] = [:]
    /// Bytes of the prefixes that each connection holds.
    private var held: [UInt64: Int] = [:]

    /// A peer may subscribe to anything; more prefixes than this are not counted.
    static let maximumPrefixes = 4_096

    /// The most connections whose bytes are counted; beyond it all counts restart.
    private static let maximumConnections = 4_096

    /// Bytes that ZeroMQ keeps for each subscription beside its prefix.
    private static let overhead = 16

    enum Event: Equatable {
        case joined(prefix: [UInt8]), left
        /// The connection holds too much and is to be closed.
        case refused
    }

    /// - Parameters:
    ///   - prefixBytes: a longer prefix is not the beginning of any topic.
    ///   - subscriptionBytes: the bytes that one connection may hold.
    init(prefixBytes: Int = Limits().nameBytes, subscriptionBytes: Int = Limits().subscriptionBytes) {
        (self.prefixBytes, self.subscriptionBytes) = (prefixBytes, subscriptionBytes)
    }

    /// Records a message of a subscriber: a subscription is the byte 1 and a prefix, its end the byte 0 and the prefix.
    /// - Parameter connection: its identity; 0 where it is unknown.
    /// - Returns: nil for any other message.
    mutating func note(_ message: some Collection<UInt8>, from connection: UInt64 = 0) -> Event? {
        guard let first = message.first, first <= 1 else { return nil }
        let bytes = message.count - 1
        if connection != 0 {
            if held.count >= Self.maximumConnections, held[connection] == nil { held = [:] }
            let change = first == 1 ? bytes + Self.overhead : -(bytes + Self.overhead)
            held[connection] = max(0, held[connection, default: 0] + change)
        }
        let isTooMuch = held[connection, default: 0] > subscriptionBytes
        if isTooMuch { held[connection] = nil }
        guard bytes <= prefixBytes else { return isTooMuch ? .refused : .left }
        let prefix = Array(message.dropFirst())
        if first == 1 {
            if counts[prefix] != nil || counts.count < Self.maximumPrefixes { counts[prefix, default: 0] += 1 }
            return isTooMuch ? .refused : .joined(prefix: prefix)
        }
        if let count = counts[prefix] { counts[prefix] = count > 1 ? count - 1 : nil }
        return .left
    }

    func count(of topic: String) -> Int {
        counts.reduce(0) { $0 + (topic.utf8.starts(with: $1.key) ? $1.value : 0) }
    }
}
