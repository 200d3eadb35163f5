import Foundation

/// Quantiles of a stream of non-negative numbers (latencies, sizes) in bounded memory; sketches of several processes can be merged.
///
/// Exact up to `exactCapacity` numbers; beyond that, numbers are counted in buckets whose width grows geometrically, and quantiles are
/// accurate to `relativeError`.  Masson, Rim and Lee 2019 (DDSketch), https://arxiv.org/abs/1908.10693
public struct QuantileSketch: Codable, Sendable, Equatable {
    /// The maximum relative error of a quantile: half the width of a bucket relative to its numbers.
    public static let relativeError = 0.01
    private static let growth = log((1 + relativeError) / (1 - relativeError))
    /// Smaller numbers are counted as this one: one nanosecond, in seconds.
    private static let smallest = 1e-9
    /// 1e-9 … 1e15, in 2,764 buckets.
    private static let bucketLimit = 2764

    public let exactCapacity: Int
    public private(set) var count = 0
    public private(set) var maximum = 0.0
    private var exact: [Double] = []
    private var buckets: [Int: Int] = [:]

    public init(exactCapacity: Int = 1024) {
        precondition(exactCapacity >= 0, "a capacity of \(exactCapacity)")
        self.exactCapacity = exactCapacity
    }

    /// Adds a number; a negative one is counted as 0, one that is not finite is ignored.
    public mutating func add(_ x: Double) {
        guard x.isFinite else { return }
        let x = max(0, x)
        count += 1
        maximum = max(maximum, x)
        if buckets.isEmpty, exact.count < exactCapacity {
            exact.append(x)
        } else {
            spill()
            buckets[Self.bucket(of: x), default: 0] += 1
        }
    }

    /// Adds all numbers of another sketch.
    public mutating func merge(_ other: QuantileSketch) {
        maximum = max(maximum, other.maximum)
        count = count.clampedAdding(other.count)
        exact += other.exact
        buckets.merge(other.buckets) { $0.clampedAdding($1) }
        if exact.count > exactCapacity || !buckets.isEmpty { spill() }
    }

    /// The smallest number x such that at least a fraction `q` of all numbers is at most x; nil before the first number.
    /// - Parameter q: in 0…1.
    public func quantile(_ q: Double) -> Double? {
        precondition((0...1).contains(q), "quantile \(q)")
        guard count > 0 else { return nil }
        let rank = max(1, Int(clamping: (q * Double(count)).rounded(.up)))
        if buckets.isEmpty { return exact.isEmpty ? maximum : exact.sorted()[min(rank, exact.count) - 1] }
        if rank >= count { return maximum }
        var seen = 0
        for (bucket, count) in buckets.sorted(by: { $0.key < $1.key }) {
            seen = seen.clampedAdding(count)
            if seen >= rank { return min(maximum, Self.middle(of: bucket)) }
        }
        return maximum
    }

    private mutating func spill() {
        for x in exact { buckets[Self.bucket(of: x), default: 0] += 1 }
        exact = []
    }

    private static func bucket(of x: Double) -> Int {
        x <= smallest ? 0 : min(bucketLimit, Int((log(min(x, 1e18) / smallest) / growth).rounded(.up)))
    }

    /// Within `relativeError` of every number in the bucket.
    private static func middle(of bucket: Int) -> Double {
        bucket == 0 ? 0 : smallest * exp(Double(bucket) * growth) * (1 - relativeError)
    }
}
