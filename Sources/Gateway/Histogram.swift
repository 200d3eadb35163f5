/// Counts of values by upper bounds, as Prometheus reads them.
struct Histogram: Sendable {
    /// Seconds.
    static let bounds: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// The number of values in each interval; the last is that above all bounds.
    private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    private(set) var sum = 0.0

    /// Counts a value; one that is not finite is passed over.
    mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        counts[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
        sum += value
    }

    var count: UInt64 { counts.reduce(0, +) }
}
