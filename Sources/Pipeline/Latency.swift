import Schema
import Statistics

extension QuantileSketch {
    /// Adds a duration, in seconds.
    public mutating func add(_ duration: Duration) { add(duration.inSeconds) }
}

extension Quantiles {
    /// The quantiles of a sketch as a status publishes them; zeros while it is empty.
    public init(_ sketch: QuantileSketch) {
        self.init()
        count = UInt64(clamping: sketch.count)
        p50 = sketch.quantile(0.5) ?? 0
        p90 = sketch.quantile(0.9) ?? 0
        p99 = sketch.quantile(0.99) ?? 0
        max = sketch.maximum
    }
}
