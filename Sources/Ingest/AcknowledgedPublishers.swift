import Messaging
import Schema
import Statistics

/// The positions of the publishers that are acknowledged: what each has sent, and what of it is on disk.
///
/// A publisher's messages are taken in its own order and no other: one that comes too early is not taken, so that after a lost connection
/// everything from the missing one on comes again, in order.
struct AcknowledgedPublishers {
    /// What the stamp of a message is, to its publisher's position.
    enum Place {
        case next, repeated, early
        /// It has not said where it begins, or has been forgotten.
        case unknown
        /// A newer process has the same source.
        case stale
    }

    private struct Publisher {
        var epoch: UInt64
        /// The newest that was taken, and the newest that is on disk.
        var taken: UInt64
        var durable: UInt64
        var peer: Peer?
        /// Refused, and not yet reported in an acknowledgement.
        var refused: [RefusedMessage] = []
    }

    private struct Pending {
        let ordinal: UInt64
        let source: String
        let epoch: UInt64
        let sequence: UInt64
    }

    private var publishers: RecentTable<String, Publisher>
    /// Taken and not on disk yet, in the order of their ordinals.
    private var pending: [Pending] = []
    private let credit: Int

    /// - Parameters:
    ///   - credit: messages that a publisher may have sent beyond what is on disk.
    ///   - marks: positions on disk, the oldest first.
    init(capacity: Int, credit: Int, marks: [(key: [UInt8], mark: [UInt8])]) {
        publishers = RecentTable(capacity: capacity)
        self.credit = credit
        for (key, mark) in marks {
            guard let (epoch, sequence) = Self.position(mark) else { continue }
            publishers[String(decoding: key, as: UTF8.self)] = Publisher(epoch: epoch, taken: sequence, durable: sequence)
        }
    }

    var count: Int { publishers.count }

    func place(of stamp: Stamp) -> Place {
        guard let known = publishers[stamp.source], stamp.epoch >= known.epoch else {
            return publishers[stamp.source] == nil ? .unknown : .stale
        }
        guard stamp.epoch == known.epoch else { return .unknown }
        return stamp.sequence <= known.taken ? .repeated : stamp.sequence - 1 == known.taken ? .next : .early
    }

    /// A publisher says where it begins.
    mutating func greet(_ stamp: Stamp, from peer: Peer) -> Bool {
        let before = stamp.sequence - 1
        guard var known = publishers[stamp.source] else {
            publishers[stamp.source] = Publisher(epoch: stamp.epoch, taken: before, durable: before, peer: peer)
            return true
        }
        guard stamp.epoch >= known.epoch else { return false }
        if stamp.epoch > known.epoch { known = Publisher(epoch: stamp.epoch, taken: before, durable: before) }
        // What it knows to be acknowledged was, although this journal does not hold it: it was restored from an older copy.
        if before > known.taken { (known.taken, known.durable) = (before, before) }
        known.peer = peer
        publishers[stamp.source] = known
        return true
    }

    /// The next message of a publisher has been given to the journal.
    mutating func take(_ stamp: Stamp, from peer: Peer, ordinal: UInt64, refusedBecause reason: Reason? = nil) {
        publishers.update(stamp.source) { publisher in
            publisher.taken = stamp.sequence
            publisher.peer = peer
            // As many as may be unacknowledged at most.
            if let reason, publisher.refused.count < credit {
                publisher.refused.append(.with { ($0.sequence, $0.reason) = (stamp.sequence, reason.rawValue) })
            }
        }
        pending.append(Pending(ordinal: ordinal, source: stamp.source, epoch: stamp.epoch, sequence: stamp.sequence))
    }

    /// What is acknowledged now that everything up to an ordinal is on disk: one message for each publisher.
    mutating func settle(upTo durable: UInt64, isSlow: Bool) -> [(source: String, answer: Acknowledgement, peer: Peer)] {
        let settled = pending.prefix { $0.ordinal <= durable }
        guard !settled.isEmpty else { return [] }
        var sources: [String] = []
        for one in settled {
            guard let known = publishers[one.source], known.epoch == one.epoch else { continue }
            publishers.update(one.source) { $0.durable = max($0.durable, one.sequence) }
            if !sources.contains(one.source) { sources.append(one.source) }
        }
        pending.removeFirst(settled.count)
        return sources.compactMap { source in answer(to: source, isSlow: isSlow).map { (source, $0.0, $0.1) } }
    }

    /// The acknowledgement for a publisher.
    /// - Parameters:
    ///   - again: whether it is to send everything after what is on disk again.
    ///   - isSlow: whether too much waits to be on disk already.
    mutating func answer(to source: String, again: Bool = false, isSlow: Bool) -> (Acknowledgement, Peer)? {
        guard let known = publishers[source], let peer = known.peer else { return nil }
        let reported = known.refused.filter { $0.sequence <= known.durable }
        publishers[source]?.refused.removeAll { $0.sequence <= known.durable }
        let answer = Acknowledgement.with {
            ($0.epoch, $0.sequence, $0.again) = (known.epoch, known.durable, again)
            ($0.credit, $0.refused) = (isSlow ? 0 : UInt32(clamping: credit), reported)
        }
        return (answer, peer)
    }

    /// The mark of a position in the journal.
    static func mark(of stamp: Stamp) -> [UInt8] {
        [stamp.epoch, stamp.sequence].flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    }

    /// The position of a mark: epoch and sequence.
    static func position(_ mark: [UInt8]) -> (epoch: UInt64, sequence: UInt64)? {
        guard mark.count == 16 else { return nil }
        return mark.withUnsafeBytes {
            (
                UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }
}
