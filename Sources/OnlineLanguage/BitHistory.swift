/// The history of a context in thirteen bits: the number of zeros, the number of ones, and the last three bits.
///
/// A bit about halves the count of the opposite bits, because recent bits predict best when statistics change.
/// The probability of a one after a history is learned in `HashedContexts`.
/// Source: M. Mahoney, Adaptive Weighing of Context Models for Lossless Data Compression, 2005,
/// https://cs.fit.edu/~mmahoney/compression/cs200516.pdf
struct BitHistory: Equatable {
    /// The number of histories.
    static let count = 1 << 13
    /// The history of a context never seen.
    static let empty = BitHistory(rawValue: 0)

    let rawValue: UInt16

    @inline(__always)
    init(rawValue: UInt16) { self.rawValue = rawValue }

    @inline(__always)
    private init(zeros: Int, ones: Int, recent: Int) {
        rawValue = UInt16(truncatingIfNeeded: zeros << 8 | ones << 3 | recent)
    }

    @inline(__always) var zeros: Int { Int(rawValue >> 8) }
    @inline(__always) var ones: Int { Int(rawValue >> 3) & 31 }
    @inline(__always) var recent: Int { Int(rawValue) & 7 }
    @inline(__always) var total: Int { zeros + ones }

    @inline(__always)
    func followed(by bit: Int) -> BitHistory {
        let same = min(31, (bit == 1 ? ones : zeros) + 1)
        let other = Self.contradicted(bit == 1 ? zeros : ones)
        let recent = (recent << 1 | bit) & 7
        return bit == 1 ? BitHistory(zeros: other, ones: same, recent: recent) : BitHistory(zeros: same, ones: other, recent: recent)
    }

    @inline(__always)
    private static func contradicted(_ n: Int) -> Int { n > 2 ? 2 + (n - 2) / 2 : n }
}
