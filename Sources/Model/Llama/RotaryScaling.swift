import Foundation

/// The frequencies of rotary positions, and how they are changed for contexts longer than those of a model's first training.
public enum RotaryScaling: Sendable, Equatable {
    /// The original frequencies.
    case none
    /// Positions divided by a factor.  https://arxiv.org/abs/2306.15595
    case linear(factor: Double)
    /// Llama 3.1: frequencies with wavelengths above originalPositions / low are divided by the factor, those with wavelengths below
    /// originalPositions / high are kept, and those between are interpolated.  https://arxiv.org/abs/2407.21783
    case llama3(factor: Double, low: Double, high: Double, originalPositions: Double)
    /// Each pair's frequency divided by its own factor.
    case factors([Double])

    /// The angular frequencies of a head's `width / 2` pairs, in radians per position.
    ///
    /// - Parameters:
    ///   - base: θ; the frequency of pair i is θ^(−2i/width).
    ///   - width: the width of one head, even.
    public func frequencies(base: Double, width: Int) -> [Double] {
        (0..<width / 2).map { i in scaled(pow(base, -2 * Double(i) / Double(width)), pair: i) }
    }

    private func scaled(_ frequency: Double, pair: Int) -> Double {
        switch self {
        case .none: return frequency
        case .linear(let factor): return frequency / factor
        case .factors(let factors): return frequency / factors[pair]
        case .llama3(let factor, let low, let high, let originalPositions):
            let turns = originalPositions * frequency / (2 * Double.pi)  // over the original context
            if turns < low { return frequency / factor }
            if turns > high { return frequency }
            let share = (turns - low) / (high - low)
            return (1 - share) * frequency / factor + share * frequency
        }
    }

    /// Factors as a scaling of Llama 3 that gives them, if there is one with `low` 1 and `high` 4, which all published models have.
    ///
    /// - Parameter base: θ.
    func published(base: Double) -> RotaryScaling {
        guard case .factors(let factors) = self, let greatest = factors.max(), greatest > 1 else { return self }
        let (low, high) = (1.0, 4.0), plain = RotaryScaling.none.frequencies(base: base, width: 2 * factors.count)
        // The length of the original context follows from any pair between the two bounds.
        let between = zip(factors, plain).lazy.filter { factor, _ in factor > 1.001 && factor < 0.999 * greatest }
        let lengths = between.prefix(4).map { factor, frequency in
            (2 * Double.pi * (low + (1 / factor - 1 / greatest) / (1 - 1 / greatest) * (high - low)) / frequency).rounded()
        }
        for length in lengths + [8_192] where length >= 1 && length.isFinite {
            let scaling = RotaryScaling.llama3(factor: greatest, low: low, high: high, originalPositions: length)
            let frequencies = scaling.frequencies(base: base, width: 2 * factors.count)
            let isSame = zip(factors, zip(plain, frequencies)).allSatisfy { factor, pair in
                abs(pair.1 * factor / pair.0 - 1) < 1e-6
            }
            if isSame { return scaling }
        }
        return self
    }
}
