import Foundation

/// Makes probabilities say how often they are right: p'ᵢ ∝ pᵢ^β, where β = 1/T is learned from the labels that come.
///
/// One Newton step for each label, on the negative log-likelihood of the newest labels, whose gradient in β is Σᵢ p'ᵢ log pᵢ − log p_y and
/// whose curvature is the variance of log p under p'. The most probable class stays the same.
/// Source: Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
public struct TemperatureScaling: Codable, Sendable, Equatable {
    /// β, 1 before the first label.
    public private(set) var inverseTemperature = 1.0
    private var curvature = TemperatureScaling.assumedCurvature

    /// The curvature that stands for what is known before the first label.
    private static let assumedCurvature = 500.0
    /// By which the curvature of older labels is multiplied for each new one: the newest 500 count.
    private static let memory = 0.998
    /// The bounds of β, and the greatest step.
    private static let least = 0.02, most = 20.0, longestStep = 0.25
    /// Smaller probabilities count as this.
    private static let floor = 1e-9

    public init() {}

    /// - Returns: as many probabilities, which sum to one; those given where they are none.
    public func scaled(_ probabilities: [Float]) -> [Float] { parts(probabilities)?.scaled.map { Float($0) } ?? probabilities }

    /// Learns a label of what was predicted with these probabilities; one that is no class is not learned.
    public mutating func learn(_ probabilities: [Float], label: Int) {
        guard probabilities.indices.contains(label), let (logarithms, scaled) = parts(probabilities) else { return }
        var mean = 0.0, square = 0.0
        for (p, logarithm) in zip(scaled, logarithms) {
            mean += p * logarithm
            square += p * logarithm * logarithm
        }
        curvature = Self.memory * curvature + max(0, square - mean * mean)
        let step = (logarithms[label] - mean) / max(curvature, 1)
        inverseTemperature += min(Self.longestStep, max(-Self.longestStep, step))
        inverseTemperature = min(Self.most, max(Self.least, inverseTemperature))
    }

    private func parts(_ probabilities: [Float]) -> (logarithms: [Double], scaled: [Double])? {
        guard !probabilities.isEmpty, probabilities.allSatisfy({ $0.isFinite && $0 >= 0 }) else { return nil }
        let logarithms = probabilities.map { log(max(Self.floor, Double($0))) }
        let most = logarithms.max() ?? 0
        let powers = logarithms.map { exp(inverseTemperature * ($0 - most)) }
        let sum = powers.reduce(0, +)
        return (logarithms, powers.map { $0 / sum })
    }
}
