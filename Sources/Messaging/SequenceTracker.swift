import Schema
import Statistics

/// Watches the sequence numbers of each topic and source: gaps are counted, what runs back is refused.
///
/// Topics and sources come and go with sessions. When there are too many, those longest silent are forgotten, and are new when they come again.
public struct SequenceTracker {
    private struct Key: Hashable {
        let topic: String
        let source: String
    }

    private struct Position {
        var epoch: UInt64
        var sequence: UInt64
        var heard: UInt64
    }

    private var positions: [Key: Position] = [:]
    private let countsFromOne: Bool
    private let maximumSources: Int
    private var heard: UInt64 = 0

    /// Messages missed, by topic; by `*` of topics beyond so many.
    public private(set) var gaps: [String: UInt64] = [:]

    /// With `countsFromOne` a first message of sequence 4 is a gap of three; else it is how a late joiner begins.
    public init(countsFromOne: Bool = false, maximumSources: Int = Limits().sources) {
        self.countsFromOne = countsFromOne
        self.maximumSources = max(2, maximumSources)
    }

    /// Accepts the message, or throws `staleEpoch`, `sequenceRunsBack` or `unstamped`.
    /// False for the last message come again, which is no mistake: publishers resend it to newcomers.
    public mutating func accept(_ stamp: Stamp, on topic: String) throws(Refusal) -> Bool {
        guard stamp.sequence > 0, TopicComponent.isValid(stamp.source) else {
            throw Refusal(.unstamped, "\(topic) needs a source and a sequence number from 1")
        }
        let key = Key(topic: topic, source: stamp.source)
        heard += 1
        guard let last = positions[key] else {
            if positions.count >= maximumSources { forget() }
            positions[key] = Position(epoch: stamp.epoch, sequence: stamp.sequence, heard: heard)
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
            // The sender has started again; what it sent before we heard it is a gap.
            count(missed: stamp.sequence - 1, on: topic)
        }
        positions[key] = Position(epoch: stamp.epoch, sequence: stamp.sequence, heard: heard)
        return true
    }

    private mutating func count(missed: UInt64, on topic: String) {
        guard missed > 0 else { return }
        let key = gaps[topic] == nil && gaps.count >= Self.maximumGaps ? "*" : topic
        gaps[key] = (gaps[key] ?? 0).clampedAdding(missed)
    }

    private static let maximumGaps = 1024

    /// Half of them at once, so that forgetting costs little.
    private mutating func forget() {
        for (key, _) in positions.sorted(by: { $0.value.heard < $1.value.heard }).prefix(positions.count / 2) { positions[key] = nil }
    }
}
