/// Stores for many contexts of the text which bits followed them, in one bounded hash table.
///
/// A bucket is a cache line: a head, and fifteen slots, one for each node of the binary tree of half a byte. A head is a check (upper
/// 16 bits) and, for the first half of a byte, a run: the byte that followed the context last, and how often it did without another.
/// A slot is a `BitHistory` (upper 16 bits) and a probability that is updated with every bit, in 1/65,536 (lower 16 bits).
/// An adaptive map for each context converts a history to a probability: it learns how often a one followed that history. Another
/// converts the length of a run to the probability that it goes on. Histories of zeros only or ones only are an input of their own to
/// the mixers, because a context that never failed deserves another weight.
/// Source: as `BitHistory`; a new slot is initialised with the mixed probability of all experts, as in PPM with information
/// inheritance (D. Shkarin, PPM: one step to practicality, 2002, https://doi.org/10.1109/DCC.2002.999958).
final class HashedContexts: Expert {
    private static let perContext = 5
    private static let width = 16
    private static let checkMask: UInt32 = 0xffff_0000
    private static let longestRun: UInt32 = 255

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
    /// Each context's bucket for the first half of this byte, its check, and its run.
    private let firstBuckets: Memory<Int>
    private let firstChecks: Memory<UInt32>
    private let runs: Memory<UInt32>
    /// (probability that a run goes on, count) for each bit of a byte after each length of a run, for each context.
    private let runMaps: Memory<SIMD2<Float>>
    /// Whether the runs' bytes begin with the bits known at the last prediction; if so, the next bit they expect, else −1.
    private let expectedBits: Memory<Int>
    private var node = 1
    private var depth = 0

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
        firstBuckets = Memory(contexts.count)
        firstChecks = Memory(contexts.count)
        runs = Memory(contexts.count)
        runMaps = Memory(contexts.count * Int(Self.longestRun + 1) * 8, repeating: [0.7, 0])
        expectedBits = Memory(contexts.count, repeating: -1)
        let estimates = (0..<BitHistory.count).map { SIMD2(Self.initialEstimate(BitHistory(rawValue: UInt16($0))), 0) }
        for k in contexts.indices { (maps.base + k * BitHistory.count).update(from: estimates, count: estimates.count) }
    }

    /// The initial probability of a history, (n₁ + ½) / (n + 1).
    /// Source: R. Krichevsky, V. Trofimov, 1981, https://doi.org/10.1109/TIT.1981.1056331
    private static func initialEstimate(_ history: BitHistory) -> Float { (Float(history.ones) + 0.5) / (Float(history.total) + 1) }

    func read(_ reading: Reading, learning: Bool) {
        if learning, reading.count > 0 { extendRuns(by: UInt32(reading.recent & 0xff)) }
        for k in contexts.indices { keys.base[k] = hash(contexts[k].key(reading), UInt64(k)) }
    }

    private func extendRuns(by byte: UInt32) {
        for k in contexts.indices {
            let head = table.base + firstBuckets.base[k]
            guard head[0] & Self.checkMask == firstChecks.base[k] else { continue }  // another context took the bucket
            let length = head[0] >> 8 & 0xff, goesOn = length > 0 && head[0] & 0xff == byte
            head[0] = head[0] & Self.checkMask | (goesOn ? min(length + 1, Self.longestRun) : 1) << 8 | byte
        }
    }

    func beginHalfByte(_ reading: Reading) {
        for k in contexts.indices {
            let key = hash(keys.base[k], UInt64(reading.partial))
            checks.base[k] = UInt32(truncatingIfNeeded: key) << 16 | 1 << 16
            buckets.base[k] = find(checks.base[k], near: Int((key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift)))
        }
        if reading.partial == 1 { beginRuns() }
    }

    private func beginRuns() {
        for k in contexts.indices {
            (firstBuckets.base[k], firstChecks.base[k]) = (buckets.base[k], checks.base[k])
            let head = table.base[buckets.base[k]]
            runs.base[k] = head & Self.checkMask == checks.base[k] ? head & ~Self.checkMask : 0
        }
    }

    /// The bucket with `check`, or else of three candidates the one with the fewest bits counted, which is replaced.
    @inline(__always)
    private func find(_ check: UInt32, near first: Int) -> Int {
        var best = first * Self.width
        var least = Int.max
        for step in 0..<3 {
            let bucket = (first ^ step) * Self.width
            if table.base[bucket] & Self.checkMask == check { return bucket }
            let count = table.base[bucket] == 0 ? -1 : BitHistory(rawValue: UInt16(table.base[bucket + 1] >> 16)).total
            if count < least { (best, least) = (bucket, count) }
        }
        return best
    }

    func predict(_ reading: Reading, into predictions: UnsafeMutablePointer<Float>) {
        depth = reading.depth
        node = 1 << (depth & 3) | reading.partial & (1 << (depth & 3) - 1)
        seen = 0
        for k in contexts.indices {
            let bucket = table.base + buckets.base[k]
            let slot = bucket[0] & Self.checkMask == checks.base[k] ? bucket[node] : 0
            let history = BitHistory(rawValue: UInt16(slot >> 16))
            let x = predictions + k * Self.perContext
            if history == .empty {
                (x[0], x[1], x[2], x[3]) = (0, 0, 0, 0)
            } else {
                seen += 1
                let p = maps.base[k * BitHistory.count + Int(history.rawValue)].x, isUniform = history.zeros == 0 || history.ones == 0
                (x[0], x[1]) = isUniform ? (0, stretch[p]) : (stretch[p], 0)
                (x[2], x[3]) = ((p - 0.5) * 4, stretch[UInt16(truncatingIfNeeded: slot)])
            }
            x[4] = predictRun(k, partial: reading.partial)
        }
    }

    /// The prediction that a context's run goes on.
    @inline(__always)
    private func predictRun(_ k: Int, partial: Int) -> Float {
        let run = runs.base[k], expected = Int(run & 0xff)
        guard run != 0, (expected | 256) >> (8 - depth) == partial else {
            expectedBits.base[k] = -1
            return 0
        }
        let bit = expected >> (7 - depth) & 1, x = stretch[runMap(k).pointee.x]
        expectedBits.base[k] = bit
        return bit == 1 ? x : -x
    }

    @inline(__always)
    private func runMap(_ k: Int) -> UnsafeMutablePointer<SIMD2<Float>> {
        runMaps.base + ((k * Int(Self.longestRun + 1) + Int(runs.base[k] >> 8)) * 8 + depth)
    }

    /// Moves a (probability, count) towards what came, by less the more often it was used.
    @inline(__always)
    private func learn(_ came: Float, in entry: UnsafeMutablePointer<SIMD2<Float>>) {
        let (p, n) = (entry.pointee.x, entry.pointee.y)
        entry.pointee = [p + (came - p) * max(1 / 400, 1 / (n + 1.5)), n + 1]
    }

    func learn(_ bit: Int, mixed: Float) {
        let y = Float(bit)
        for k in contexts.indices {
            let bucket = table.base + buckets.base[k]
            if bucket[0] & Self.checkMask != checks.base[k] {
                (bucket + 1).update(repeating: 0, count: Self.width - 1)
                bucket[0] = checks.base[k]
            }
            if expectedBits.base[k] >= 0 { learn(expectedBits.base[k] == bit ? 1 : 0, in: runMap(k)) }
            let history = BitHistory(rawValue: UInt16(bucket[node] >> 16))
            var p = Float(bucket[node] & 0xffff) / 65536
            if history == .empty {
                p = mixed + (y - mixed) * 0.5
            } else {
                learn(y, in: maps.base + (k * BitHistory.count + Int(history.rawValue)))
                p += (y - p) * max(1 / 60, 1 / (Float(history.total) + 1.5))
            }
            bucket[node] = UInt32(history.followed(by: bit).rawValue) << 16 | UInt32(max(32, min(65503, p * 65536)))
        }
    }
}
