import Schema
import Statistics

/// Checks the sequence numbers of each topic and source: gaps are counted, and numbers that run back are refused.
///
/// Topics and sources come and go with sessions. Where there are too many, the one accepted the longest ago is forgotten, and counts as new
/// when it comes again.
public struct SequenceTracker {
    private struct Key: Hashable {
        let topic: String
        let source: String
    }

    private struct Position {
        var epoch: UInt64
        var sequence: UInt64
    }

    private var positions: RecentTable<Key, Position>
    private let countsFromOne: Bool

    /// Messages missed, by topic; under `*` for topics beyond the first 1024.
    public private(set) var gaps: [String: UInt64] = [:]

    /// - Parameter countsFromOne: whether a first message of sequence 4 counts as a gap of three; else the receiver has joined late.
    public init(countsFromOne: Bool = false, maximumSources: Int = Limits().sources) {
        self.countsFromOne = countsFromOne
        positions = RecentTable(capacity: max(2, maximumSources))
    }

    /// Checks the stamp of a message.
    /// - Returns: false for a repetition of the last message, which is no error: publishers resend it to new subscribers.
    /// - Throws: `staleEpoch`, `sequenceRunsBack` or `unstamped`.
    public mutating func accept(_ stamp: Stamp, on topic: String) throws(Refusal) -> Bool {
        guard stamp.sequence > 0, TopicComponent.isValid(stamp.source) else {
            throw Refusal(.unstamped, "\(topic) needs a source and a sequence number from 1")
        }
        let key = Key(topic: topic, source: stamp.source)
        guard let last = positions[key] else {
            positions[key] = Position(epoch: stamp.epoch, sequence: stamp.sequence)
            if countsFromOne { count(missed: stamp.sequence - 1, on: topic) }
            return true
        }
        if stamp.epoch == last.epoch {
            if stamp.sequence == last.sequence { return false }
            guard stamp.sequence > last.sequence else {
                throw Refusal(.sequenceRunsBack, "\(stamp.source) on \(topic): \(stamp.sequence) after \(last.sequence)")
            }
            count(missed: stamp.sequence - last.sequence - 1, on: topic)
        } else {
            guard stamp.epoch > last.epoch else {
                throw Refusal(.staleEpoch, "\(stamp.source) on \(topic): epoch \(stamp.epoch) after \(last.epoch)")
            }
            // The sender has started again; what it sent before that is a gap.
            count(missed: stamp.sequence - 1, on: topic)
        }
        positions[key] = Position(epoch: stamp.epoch, sequence: stamp.sequence)
        return true
    }

    private mutating func count(missed: UInt64, on topic: String) {
        guard missed > 0 else { return }
        let key = gaps[topic] == nil && gaps.count >= Self.maximumGaps ? "*" : topic
        gaps[key] = (gaps[key] ?? 0).clampedAdding(missed)
    }

    private static let maximumGaps = 1024
}
