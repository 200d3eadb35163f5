/// Who has subscribed to what, as XPUB tells it: how many subscriptions there are of each prefix.
struct SubscriberTable {
    private var counts: [[UInt8]: Int] = [:]

    /// A peer may subscribe to anything; more prefixes than this are not counted.
    static let maximumPrefixes = 4_096

    enum Event: Equatable {
        case joined(prefix: [UInt8]), left
    }

    /// A subscription is the byte 1 and a prefix, its end the byte 0 and the prefix. Nil for anything else.
    mutating func note(_ message: some Collection<UInt8>) -> Event? {
        guard let first = message.first, first <= 1 else { return nil }
        let prefix = Array(message.dropFirst())
        if first == 1 {
            if counts[prefix] != nil || counts.count < Self.maximumPrefixes { counts[prefix, default: 0] += 1 }
            return .joined(prefix: prefix)
        }
        if let count = counts[prefix] { counts[prefix] = count > 1 ? count - 1 : nil }
        return .left
    }

    func count(of topic: String) -> Int {
        counts.reduce(0) { $0 + (topic.utf8.starts(with: $1.key) ? $1.value : 0) }
    }
}
