/// Stores for many contexts of the text which bits followed them, in one bounded hash table.
///
/// A bucket is a cache line: a check, and fifteen slots, one for each node of the binary tree of half a byte.
/// A slot is a `BitHistory` (upper 16 bits) and a probability that is updated with every bit, in 1/65,536 (lower 16 bits).
/// An adaptive map for each context converts a history to a probability: it learns how often a one followed that history.
/// Source: as `BitHistory`; a new slot is initialised with the mixed probability of all experts, as in PPM with information
/// inheritance (D. Shkarin, PPM: one step to practicality, 2002, https://doi.org/10.1109/DCC.2002.999958).
final class HashedContexts: Expert {
    private static let perContext = 3
    private static let width = 16

    let predictionCount: Int
    /// The number of contexts that had been seen before at the last prediction.
    private(set) var seen = 0

    private let contexts: [Context]
    private let keys: Memory<UInt64>
    private let table: Memory<UInt32>
    private let shift: Int
    private let stretch = StretchTable()
    /// (probability of a one, count) for each history of each context.
    private let maps: Memory<SIMD2<Float>>
    /// Each context's bucket for the current half byte, and the check that the bucket has if the context was seen before.
    private let buckets: Memory<Int>
    private let checks: Memory<UInt32>
    private var node = 1

    /// - Parameters:
    ///   - contexts: the contexts.
    ///   - buckets: the size of the table in cache lines of 64 bytes; a power of two.
    init(_ contexts: [Context], buckets: Int) {
        precondition(buckets > 3 && buckets & (buckets - 1) == 0, "\(buckets) buckets are not a power of two")
        self.contexts = contexts
        predictionCount = contexts.count * Self.perContext
        keys = Memory(contexts.count)
        table = Memory(buckets * Self.width)
        shift = 64 - buckets.trailingZeroBitCount
        maps = Memory(contexts.count * BitHistory.count)
        self.buckets = Memory(contexts.count)
        checks = Memory(contexts.count)
        let estimates = (0..<BitHistory.count).map { SIMD2(Self.initialEstimate(BitHistory(rawValue: UInt16($0))), 0) }
        for k in contexts.indices { (maps.base + k * BitHistory.count).update(from: estimates, count: estimates.count) }
    }

    /// The initial probability of a history, (n₁ + ½) / (n + 1).
    /// Source: R. Krichevsky, V. Trofimov, 1981, https://doi.org/10.1109/TIT.1981.1056331
    private static func initialEstimate(_ history: BitHistory) -> Float { (Float(history.ones) + 0.5) / (Float(history.total) + 1) }

    func read(_ reading: Reading, learning: Bool) {
        for k in contexts.indices { keys.base[k] = hash(contexts[k].key(reading), UInt64(k)) }
    }

    func beginHalfByte(_ reading: Reading) {
        for k in contexts.indices {
            let key = hash(keys.base[k], UInt64(reading.partial))
            checks.base[k] = UInt32(truncatingIfNeeded: key) | 1
            buckets.base[k] = find(checks.base[k], near: Int((key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift)))
        }
    }

    /// The bucket with `check`, or else of three candidates the one with the fewest bits counted, which is replaced.
    @inline(__always)
    private func find(_ check: UInt32, near first: Int) -> Int {
        var best = first * Self.width
        var least = Int.max
        for step in 0..<3 {
            let bucket = (first ^ step) * Self.width
            if table.base[bucket] == check { return bucket }
            let count = table.base[bucket] == 0 ? -1 : BitHistory(rawValue: UInt16(table.base[bucket + 1] >> 16)).total
            if count < least { (best, least) = (bucket, count) }
        }
        return best
    }

    func predict(_ reading: Reading, into predictions: UnsafeMutablePointer<Float>) {
        let depth = reading.depth & 3
        node = 1 << depth | reading.partial & (1 << depth - 1)
        seen = 0
        for k in contexts.indices {
            let bucket = table.base + buckets.base[k]
            let slot = bucket[0] == checks.base[k] ? bucket[node] : 0
            let history = Int(slot >> 16)
            let x = predictions + k * Self.perContext
            if history == 0 {
                (x[0], x[1], x[2]) = (0, 0, 0)
            } else {
                seen += 1
                let p = maps.base[k * BitHistory.count + history].x
                (x[0], x[1], x[2]) = (stretch[p], (p - 0.5) * 4, stretch[UInt16(truncatingIfNeeded: slot)])
            }
        }
    }

    func learn(_ bit: Int, mixed: Float) {
        let y = Float(bit)
        for k in contexts.indices {
            let bucket = table.base + buckets.base[k]
            if bucket[0] != checks.base[k] {
                (bucket + 1).update(repeating: 0, count: Self.width - 1)
                bucket[0] = checks.base[k]
            }
            let history = BitHistory(rawValue: UInt16(bucket[node] >> 16))
            var p = Float(bucket[node] & 0xffff) / 65536
            if history == .empty {
                p = mixed + (y - mixed) * 0.7
            } else {
                let entry = maps.base + (k * BitHistory.count + Int(history.rawValue))
                let (m, n) = (entry.pointee.x, entry.pointee.y)
                entry.pointee = [m + (y - m) * max(1 / 400, 1 / (n + 1.5)), n + 1]
                p += (y - p) * max(1 / 60, 1 / (Float(history.total) + 1.5))
            }
            bucket[node] = UInt32(history.followed(by: bit).rawValue) << 16 | UInt32(max(32, min(65503, p * 65536)))
        }
    }
}
