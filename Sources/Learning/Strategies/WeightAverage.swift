import Statistics
import Tensors

/// The exponential moving average of weights, for serving: less noisy than the newest.
/// average ← decay · average + (1 − decay) · weights, with the decay warmed up as min(decay, (1 + n) / (10 + n)).
/// Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
public final class WeightAverage {
    public let decay: Double
    /// The average; equal to the weights before the first update.
    public let average: ParameterStore<Float>
    public private(set) var updates: Int

    /// - Parameter updates: how many a restored average had seen; `weights` are then the average itself.
    public init(of weights: ParameterStore<Float>, decay: Double = 0.999, updates: Int = 0) throws(SettingsError) {
        try SettingsError.require(decay >= 0 && decay < 1, "decay", "\(decay) is not in 0 ..< 1")
        self.decay = decay
        self.updates = updates
        average = weights.copy()
    }

    /// Goes on from an average that had seen so many updates.
    func restore(_ numbers: [Float], updates: Int) {
        _ = average.values.update(from: numbers)
        self.updates = updates
    }

    public func update(from weights: ParameterStore<Float>) {
        precondition(weights.layout == average.layout, "weights of another layout")
        let share = Float(1 - min(decay, Double(1 + updates) / Double(10 + updates)))
        updates += 1
        for place in average.values.indices { average.values[place] += share * (weights.values[place] - average.values[place]) }
    }
}
