import Foundation

/// The pseudo-random generator xoshiro256**, seeded by SplitMix64; it gives the same numbers on every machine.
/// https://prng.di.unimi.it/xoshiro256starstar.c, https://prng.di.unimi.it/splitmix64.c
///
/// Every random choice in Accrete is drawn from a value of this type passed in by the caller, so that a seed determines a run.
/// Its state is four 64-bit words; saved and restored, it continues exactly where it was.
public struct RandomSource: RandomNumberGenerator, Sendable, Equatable, Hashable {
    private var a, b, c, d: UInt64

    public init(seed: UInt64) {
        var mix = SplitMix64(state: seed)
        (a, b, c, d) = (mix.next(), mix.next(), mix.next(), mix.next())
    }

    public mutating func next() -> UInt64 {
        let result = rotate(b &* 5, by: 7) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotate(d, by: 45)
        return result
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number in [range.lowerBound, range.upperBound).
    public mutating func uniform(in range: Range<Double>) -> Double {
        range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
    }

    /// An integer in 0 ..< bound, without bias.  https://arxiv.org/abs/1805.10941
    public mutating func uniform(below bound: Int) -> Int {
        precondition(bound > 0, "bound \(bound) is not positive")
        let bound = UInt64(bound)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// A standard normal number, by Marsaglia's polar method. The second number of each pair is discarded, so that no state is kept
    /// beside the four words.
    public mutating func normal() -> Double {
        while true {
            let x = 2 * uniform() - 1
            let y = 2 * uniform() - 1
            let square = x * x + y * y
            if square > 0, square < 1 { return x * (-2 * log(square) / square).squareRoot() }
        }
    }

    /// Shuffles by Fisher and Yates. The standard library's `shuffle` may change its order between versions of Swift.
    public mutating func shuffle<Item>(_ items: inout [Item]) {
        guard items.count > 1 else { return }
        for last in (1..<items.count).reversed() { items.swapAt(last, uniform(below: last + 1)) }
    }

    /// Draws `count` different integers of 0 ..< population, in random order, by Floyd's algorithm: memory and time grow with `count` only.
    public mutating func sample(_ count: Int, below population: Int) -> [Int] {
        precondition(count >= 0 && count <= population, "cannot draw \(count) of \(population)")
        var seen = Set<Int>(minimumCapacity: count)
        var drawn: [Int] = []
        drawn.reserveCapacity(count)
        for last in (population - count)..<population {
            let candidate = uniform(below: last + 1)
            let chosen = seen.insert(candidate).inserted ? candidate : last
            seen.insert(chosen)
            drawn.append(chosen)
        }
        shuffle(&drawn)
        return drawn
    }

    /// A new generator, seeded from this one, for a part of the program, so that the number of draws in one part does not affect another.
    public mutating func split() -> RandomSource { RandomSource(seed: next()) }
}

/// Encoded as 64 hexadecimal digits, because JSON readers that hold numbers as doubles would lose bits.
extension RandomSource: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let words = stride(from: 0, to: 64, by: 16).compactMap { start in
            UInt64(text.dropFirst(start).prefix(16), radix: 16)
        }
        guard text.utf8.count == 64, words.count == 4, words.contains(where: { $0 != 0 }) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a random state is 64 hexadecimal digits, not all zero")
        }
        (a, b, c, d) = (words[0], words[1], words[2], words[3])
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(
            [a, b, c, d].map { word in
                let digits = String(word, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }.joined())
    }
}

private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

private func rotate(_ word: UInt64, by count: UInt64) -> UInt64 { (word << count) | (word >> (64 - count)) }
