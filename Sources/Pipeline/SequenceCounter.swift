import Statistics

/// Gives each sent message its sequence number: 1, 2, 3 … for each topic and source.
///
/// Topics come and go with sessions. Where there are too many, the least recently used is forgotten; new counts start above the greatest
/// forgotten number, so that no receiver sees a sequence run back.
struct SequenceCounter {
    private struct Key: Hashable {
        let topic: String
        let source: String
    }

    private var counts: RecentTable<Key, UInt64>
    /// The greatest sequence forgotten.
    private var floor: UInt64 = 0

    init(capacity: Int = 65_536) { counts = RecentTable(capacity: capacity) }

    mutating func next(on topic: String, from source: String) -> UInt64 {
        let key = Key(topic: topic, source: source), sequence = (counts[key] ?? floor).clampedAdding(1)
        if let (_, forgotten) = counts.set(sequence, for: key) { floor = max(floor, forgotten) }
        return sequence
    }
}
