import Glibc
import Schema

/// Durations counted in buckets whose bounds grow by a sixteenth of an octave (4.4 %), from 1 µs to over 4,000 s.
/// Quantiles are exact to half a bucket; memory is constant.
public struct LatencyHistogram: Sendable, Equatable {
    private static let perOctave = 16.0
    private static let smallest = 1e-6
    private static let bucketCount = 32 * 16

    private var buckets = [UInt64](repeating: 0, count: bucketCount)
    public private(set) var count: UInt64 = 0
    public private(set) var maximum = 0.0

    public init() {}

    public mutating func record(_ duration: Duration) { record(seconds: duration.inSeconds) }

    /// Negative durations, of clocks that disagree, count as zero.
    public mutating func record(seconds: Double) {
        guard seconds.isFinite else { return }
        let octaves = log2(max(seconds, Self.smallest) / Self.smallest)
        buckets[min(Int(octaves * Self.perOctave), Self.bucketCount - 1)] += 1
        count += 1
        maximum = max(maximum, seconds)
    }

    /// Seconds below which a share `q` of the durations lies; 0 when there are none.
    public func quantile(_ q: Double) -> Double {
        precondition((0...1).contains(q), "quantile \(q)")
        guard count > 0 else { return 0 }
        let rank = max(1, UInt64((q * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for (index, number) in buckets.enumerated() {
            seen += number
            if seen >= rank {
                return min(Self.smallest * exp2((Double(index) + 0.5) / Self.perOctave), maximum)
            }
        }
        return maximum
    }

    public mutating func merge(_ other: LatencyHistogram) {
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    /// As in a status, seconds.
    public var quantiles: Quantiles {
        var quantiles = Quantiles()
        quantiles.count = count
        quantiles.p50 = quantile(0.5)
        quantiles.p90 = quantile(0.9)
        quantiles.p99 = quantile(0.99)
        quantiles.max = maximum
        return quantiles
    }
}
