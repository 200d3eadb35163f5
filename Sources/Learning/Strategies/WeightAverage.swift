import Statistics
import Tensors

/// The exponential moving average of weights, for serving: less noisy than the last weights.
/// average ← decay · average + (1 − decay) · weights, with the decay warmed up as min(decay, (1 + n) / (10 + n)).
/// Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
public final class WeightAverage {
    /// The decay, in 0 ..< 1.
    public let decay: Double
    /// The average; equal to the weights before the first update.
    public let average: ParameterStore<Float>
    /// The number of updates.
    public private(set) var updates: Int

    /// - Parameters:
    ///   - weights: the initial weights, or a restored average.
    ///   - decay: the decay, in 0 ..< 1.
    ///   - updates: the number of updates of a restored average.
    /// - Throws: `SettingsError`, if the decay is invalid.
    public init(of weights: ParameterStore<Float>, decay: Double = 0.999, updates: Int = 0) throws(SettingsError) {
        try SettingsError.require(decay >= 0 && decay < 1, "decay", "\(decay) is not in 0 ..< 1")
        self.decay = decay
        self.updates = updates
        average = weights.copy()
    }

    /// Restores an average after a number of updates.
    func restore(_ numbers: [Float], updates: Int) {
        _ = average.values.update(from: numbers)
        self.updates = updates
    }

    /// Moves the average towards the weights.
    public func update(from weights: ParameterStore<Float>) {
        precondition(weights.layout == average.layout, "weights of another layout")
        let share = Float(1 - min(decay, Double(1 + updates) / Double(10 + updates)))
        updates += 1
        for place in average.values.indices { average.values[place] += share * (weights.values[place] - average.values[place]) }
    }
}
