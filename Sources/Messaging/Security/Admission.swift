import Glibc
import Synchronization

/// The owner of a key, as the sender of messages.
final class Sender: Sendable {
    let name: String
    /// Nil: any.
    private let sources: Set<String>?

    init(_ key: AllowedKey, at access: Access) {
        name = key.name
        sources = access == .publish && !key.roles.contains(.stage) ? key.sources : nil
    }

    func maySpeak(for source: String) -> Bool { sources?.contains(source) ?? true }
}

/// Who may come in, by the newest list of keys, and how much each may send.
///
/// The list's file is read again when it has changed. Where it cannot be read, nobody may come in.
final class Admission: Sendable {
    private struct Entry {
        let key: AllowedKey
        let senders: [Access: Sender]
        var messages: Bucket, bytes: Bucket
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var stamp: FileStamp?
        var counts: [Reason: UInt64] = [:]
    }

    private let security: Security
    private let state = Mutex(State())
    private let changes = Atomic(0)

    /// - Throws: `MessagingError` where the list cannot be read.
    init(_ security: Security) throws(MessagingError) {
        self.security = security
        _ = try security.directory.allowed()
        reload()
    }

    /// Rises with every change of the list.
    var generation: Int { changes.load(ordering: .acquiring) }

    /// What was refused so far, by reason.
    var refusals: [Reason: UInt64] { state.withLock { $0.counts } }

    /// Reads the list again where its file has changed. Rates go on as they were.
    func reload() {
        let stamp = FileStamp(security.directory.list)
        guard state.withLock({ $0.stamp != stamp }) else { return }
        let keys = ((try? security.directory.allowed()) ?? []) + [graphKey].compactMap(\.self)
        state.withLock { state in
            let old = state.entries
            state.entries = [:]
            for key in keys {
                let senders = Access.allCases.filter { !$0.roles.isDisjoint(with: key.roles) }.map { ($0, Sender(key, at: $0)) }
                let isStage = key.roles.contains(.stage)
                let messages = key.messageRate ?? (isStage ? .infinity : security.rates.messages)
                let bytes = key.byteRate ?? (isStage ? .infinity : security.rates.bytes)
                state.entries[key.publicKey] = Entry(
                    key: key, senders: Dictionary(uniqueKeysWithValues: senders),
                    messages: old[key.publicKey]?.messages.changed(to: messages) ?? Bucket(rate: messages),
                    bytes: old[key.publicKey]?.bytes.changed(to: bytes) ?? Bucket(rate: bytes))
            }
            state.stamp = stamp
        }
        changes.wrappingAdd(1, ordering: .releasing)
    }

    /// The graph's own key, with which its processes connect to each other.
    private var graphKey: AllowedKey? {
        security.server.flatMap { try? AllowedKey(name: KeyDirectory.graphName, publicKey: $0.publicKey, roles: [.stage]) }
    }

    /// The owner of a key; nil where it may not do this.
    func sender(_ publicKey: String, at access: Access) -> Sender? { state.withLock { $0.entries[publicKey]?.senders[access] } }

    /// Counts a message against the rates of its sender's key.
    /// - Returns: false where it exceeds one.
    func spend(_ publicKey: String, bytes: Int, at now: ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            guard var entry = state.entries[publicKey] else { return false }
            let hasRoom = entry.messages.take(1, at: now) && entry.bytes.take(Double(bytes), at: now)
            state.entries[publicKey] = entry
            return hasRoom
        }
    }

    func count(_ reason: Reason, _ number: UInt64 = 1) {
        guard number > 0 else { return }
        state.withLock { $0.counts[reason, default: 0] += number }
    }
}

/// A bucket that fills at a rate and holds what comes in a second.  https://en.wikipedia.org/wiki/Token_bucket
struct Bucket {
    private var rate: Double
    private var level: Double
    private var time: ContinuousClock.Instant?

    init(rate: Double) { (self.rate, level) = (rate, rate) }

    /// The same bucket, filled at another rate.
    func changed(to rate: Double) -> Bucket {
        guard rate != self.rate else { return self }
        var bucket = self
        bucket.rate = rate
        bucket.level = min(level, rate)
        return bucket
    }

    /// Takes an amount, where something is left. One message may take more than there is: what is larger than a second's share comes seldom.
    mutating func take(_ amount: Double, at now: ContinuousClock.Instant) -> Bool {
        guard rate.isFinite else { return true }
        if let time {
            let (seconds, attoseconds) = (now - time).components
            level = min(rate, level + rate * (Double(seconds) + Double(attoseconds) * 1e-18))
        }
        time = now
        guard level > 0 else { return false }
        level -= amount
        return true
    }
}

/// By which a file that was replaced or changed is noticed; all zero where there is none.
private struct FileStamp: Equatable {
    private let inode: UInt64, size: Int64, seconds: Int, nanoseconds: Int, mode: UInt32, changed: Int

    init(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            (inode, size, seconds, nanoseconds, mode, changed) = (0, 0, 0, 0, 0, 0)
            return
        }
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        mode = status.st_mode
        changed = status.st_ctim.tv_nsec
    }
}

extension Reason {
    /// A key that is not on the list, or has no role for what it wants.
    public static let notAdmitted = Reason(rawValue: "notAdmitted")
    /// A source for which the sender's key may not speak.
    public static let foreignSource = Reason(rawValue: "foreignSource")
    /// More messages or bytes in a second than the sender's key may send.
    public static let rateExceeded = Reason(rawValue: "rateExceeded")
}
