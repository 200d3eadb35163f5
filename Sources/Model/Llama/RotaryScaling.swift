import Foundation

/// How far a position turns the pairs of a head, and how that is stretched for contexts longer than a model was first trained on.
public enum RotaryScaling: Sendable, Equatable {
    case none
    /// Positions divided by a factor.  https://arxiv.org/abs/2306.15595
    case linear(factor: Double)
    /// Llama 3.1's: wavelengths above originalPositions / low are divided by the factor, those below originalPositions / high are kept, and
    /// between them the two are mixed.  https://arxiv.org/abs/2407.21783
    case llama3(factor: Double, low: Double, high: Double, originalPositions: Double)
    /// Each pair's frequency divided by a factor of its own.
    case factors([Double])

    /// Radians a position for each of a head's `width / 2` pairs.
    /// - Parameters:
    ///   - base: θ; pair i turns by θ^(−2i/width).
    ///   - width: of one head, even.
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
