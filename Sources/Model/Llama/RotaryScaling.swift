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
}
