import Glibc

/// Random numbers that nobody can foresee: of the system's generator, taken from it in blocks.
///
/// A seed that somebody knows would take noise away again, so these never repeat.
public struct SecretRandomness: RandomNumberGenerator {
    private var block = Array(repeating: UInt64(0), count: Self.length)
    private var used = Self.length
    /// getentropy gives at most 256 bytes at once.
    private static let length = 256 / MemoryLayout<UInt64>.size

    public init() {}

    public mutating func next() -> UInt64 {
        if used == Self.length { fill() }
        defer { used += 1 }
        return block[used]
    }

    private mutating func fill() {
        used = 0
        if block.withUnsafeMutableBytes({ getentropy($0.baseAddress!, $0.count) }) == 0 { return }
        var system = SystemRandomNumberGenerator()
        for index in block.indices { block[index] = system.next() }
    }

    /// Whether something happens that has a probability, in steps of 2⁻⁵³.
    public mutating func happens(with probability: Double) -> Bool { Double(next() >> 11) * 0x1p-53 < probability }

    /// A number in 0 < u ≤ 1.
    fileprivate mutating func uniform() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }

    /// Two independent normal numbers, by the method of Box and Muller.
    fileprivate mutating func normals() -> (Double, Double) {
        let radius = (-2 * log(uniform())).squareRoot(), angle = 2 * .pi * uniform()
        return (radius * cos(angle), radius * sin(angle))
    }
}

/// Gaussian noise that hides numbers.
///
/// A normal number in floating point has gaps, and which ones tells what it was added to. So each number of noise is half the sum of four
/// independent normal ones, whose gaps cannot be enumerated (Holohan and Braghin, Secure Random Sampling in Differential Privacy,
/// https://arxiv.org/abs/2107.10138), and the result is rounded to a multiple of a power of two between 2⁻²¹ and 2⁻²⁰ of the deviation, so
/// that its low bits, in which gaps show (Mironov, On Significance of the Least Significant Bits, CCS 2012), are not there. The tails end
/// at about 17 deviations, beyond which the normal distribution has less than 10⁻⁶⁴.
public struct SecretNoise {
    /// The standard deviation of the noise.
    public let deviation: Double
    private let grid: Double
    private var random: SecretRandomness

    /// - Parameter deviation: positive and finite.
    public init(deviation: Double, random: SecretRandomness = SecretRandomness()) {
        precondition(deviation > 0 && deviation.isFinite, "noise of deviation \(deviation)")
        self.deviation = deviation
        grid = Double(sign: .plus, exponent: max(-1_000, deviation.exponent - 20), significand: 1)
        self.random = random
    }

    /// Adds noise to numbers, each independently, and rounds them.
    public mutating func add(to numbers: inout [Double]) {
        let half = 0.5 * deviation
        for first in stride(from: 0, to: numbers.count, by: 2) {
            var sum = (0.0, 0.0)
            for _ in 0..<4 {
                let normal = random.normals()
                sum = (sum.0 + normal.0, sum.1 + normal.1)
            }
            numbers[first] = rounded(numbers[first] + half * sum.0)
            if first + 1 < numbers.count { numbers[first + 1] = rounded(numbers[first + 1] + half * sum.1) }
        }
    }

    private func rounded(_ number: Double) -> Double { (number / grid).rounded() * grid }
}
