import Schema
import Statistics

extension QuantileSketch {
    /// Takes a duration, in seconds.
    public mutating func add(_ duration: Duration) { add(duration.inSeconds) }
}

extension Quantiles {
    /// A sketch as it stands in a status; zeros while it is empty.
    public init(_ sketch: QuantileSketch) {
        self.init()
        count = UInt64(clamping: sketch.count)
        p50 = sketch.quantile(0.5) ?? 0
        p90 = sketch.quantile(0.9) ?? 0
        p99 = sketch.quantile(0.99) ?? 0
        max = sketch.maximum
    }
}
