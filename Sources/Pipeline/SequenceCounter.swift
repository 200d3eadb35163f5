import Statistics

/// Gives each sent message its sequence number: 1, 2, 3 … for each topic and source.
///
/// Topics come and go with sessions. When there are too many, the least recently used half is forgotten; new counts start above the
/// greatest forgotten number, so that no receiver sees a sequence run back.
struct SequenceCounter {
    private struct Key: Hashable {
        let topic: String
        let source: String
    }

    private struct Count {
        var sequence: UInt64
        var used: UInt64
    }

    private let capacity: Int
    private var counts: [Key: Count] = [:]
    private var uses: UInt64 = 0
    /// The greatest sequence forgotten.
    private var floor: UInt64 = 0

    init(capacity: Int = 65_536) { self.capacity = max(2, capacity) }

    mutating func next(on topic: String, from source: String) -> UInt64 {
        uses += 1
        let key = Key(topic: topic, source: source), sequence = (counts[key]?.sequence ?? floor).clampedAdding(1)
        counts[key] = Count(sequence: sequence, used: uses)
        if counts.count > capacity { forget() }
        return sequence
    }

    /// Removes half of the counts at once, so that the cost per message is small.
    private mutating func forget() {
        for (key, count) in counts.sorted(by: { $0.value.used < $1.value.used }).prefix(counts.count / 2) {
            floor = max(floor, count.sequence)
            counts[key] = nil
        }
    }
}
