/// A match model: finds the last position in the text with the same preceding bytes as the current one, and predicts the byte that
/// followed there.
///
/// The probability that a prediction is right is learned by the length of the match and the number of recent failures.
/// Source: M. Mahoney, Data Compression Explained, §4.3.4, http://mattmahoney.net/dc/dce.html
final class Match: Expert {
    /// The number of classes of match lengths.
    static let lengths = 31
    private static let longest = 400
    private static let failures = 8

    let predictionCount = 2
    /// The number of equal bytes before the current and the matching position; 0 without a match.
    private(set) var length = 0
    /// The byte that followed the matching position.
    private(set) var expected: UInt8 = 0

    private let minimum: Int
    /// By hash of `minimum` bytes: the last position after these bytes.
    private let places: Memory<UInt32>
    /// (probability that the expected bit is right, count), by length class and failures.
    private let trust = Memory<SIMD2<Float>>(lengths * failures, repeating: [0.75, 0])
    private var place = 0
    private var failed = 0
    private var expectedBit: Int?

    /// - Parameters:
    ///   - minimum: the minimum length of a match in bytes.
    ///   - places: the number of positions stored; a power of two.
    init(minimum: Int, places: Int) {
        precondition(places & (places - 1) == 0, "\(places) places are not a power of two")
        self.minimum = minimum
        self.places = Memory(places)
    }

    /// The class of the match's length; 0 without a match.
    var lengthClass: Int {
        switch length {
        case ..<16: length
        case ..<32: 16 + (length - 16) / 4
        default: min(20 + (length - 32) / 16, Self.lengths - 1)
        }
    }

    /// Whether the expected byte begins with the bits already known.
    func agrees(with reading: Reading) -> Bool {
        length > 0 && (Int(expected) | 256) >> (8 - reading.depth) == reading.partial
    }

    func read(_ reading: Reading, learning: Bool) {
        guard reading.count >= minimum else { return }
        if length > 0, reading[reading.count - 1] == expected {
            length += 1
            place += 1
        } else {
            if length > 0 { failed = min(failed + 1, Self.failures - 1) }
            length = 0
        }
        var key: UInt64 = 0
        for i in 1...minimum { key = hash(key, UInt64(reading[reading.count - i])) }
        let slot = Int(key & UInt64(places.count - 1))
        if length == 0 { begin(at: Int(places.base[slot]), reading) }
        if learning { places.base[slot] = UInt32(truncatingIfNeeded: reading.count) }
        expected = length > 0 ? reading[place] : 0
    }

    private func begin(at candidate: Int, _ reading: Reading) {
        guard candidate > 0 else { return }
        var agreeing = 0
        while agreeing < Self.longest, reading.holds(candidate - agreeing - 1),
            reading[candidate - agreeing - 1] == reading[reading.count - agreeing - 1]
        { agreeing += 1 }
        guard agreeing >= minimum else { return }
        (length, place, failed) = (agreeing, candidate, 0)
    }

    func beginHalfByte(_ reading: Reading) {}

    func predict(_ reading: Reading, into predictions: UnsafeMutablePointer<Float>) {
        guard agrees(with: reading) else {
            expectedBit = nil
            (predictions[0], predictions[1]) = (0, 0)
            return
        }
        let bit = Int(expected) >> (7 - reading.depth) & 1
        let p = trust.base[lengthClass * Self.failures + failed].x
        let sign: Float = bit == 1 ? 1 : -1
        (predictions[0], predictions[1]) = (sign * Logistic.stretch(p), sign * (2 * p - 1))
        expectedBit = bit
    }

    func learn(_ bit: Int, mixed: Float) {
        guard let expectedBit else { return }
        let trust = trust.base + (lengthClass * Self.failures + failed)
        let (p, n) = (trust.pointee.x, trust.pointee.y)
        let came: Float = bit == expectedBit ? 1 : 0
        trust.pointee = [max(0.001, min(0.9998, p + (came - p) * max(1 / 500, 1 / (n + 2)))), n + 1]
    }
}
