import Foundation

/// Adaptive windowing: a window of all numbers since the last drift, kept in buckets of exponentially growing size. A drift is
/// reported when a cut divides the window into two parts of significantly different means.
/// Bifet and Gavaldà 2007, https://doi.org/10.1137/1.9781611972771.42; variance of buckets by Babcock et al. 2003,
/// https://doi.org/10.1145/773153.773176.
///
/// Settings and semantics are those of the Python package River, and drifts are reported at the same indices: cuts are tried every
/// `clock` numbers, and a drift empties the window.
/// Memory grows with the logarithm of the window's length.
public struct ADWIN: DriftDetector {
    public struct Configuration: Settings {
        /// Significance level: a smaller one reports drifts later and less often.
        public var delta = 0.002
        /// Cuts are tried at every `clock`-th number.
        public var clock = 32
        /// Buckets of one size before two are merged into the next.
        public var maxBuckets = 5
        /// The minimum length of each part of a cut.
        public var minWindowLength = 5
        /// No cut is tried before the window is longer than this.
        public var gracePeriod = 10

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(delta > 0 && delta <= 1, "delta", "\(delta) is not in (0, 1]")
            try SettingsError.require(clock >= 1, "clock", "\(clock) is below 1")
            try SettingsError.require((1...1_000_000).contains(maxBuckets), "max_buckets", "\(maxBuckets) is not in 1…1000000")
            try SettingsError.require(minWindowLength >= 0, "min_window_length", "\(minWindowLength) is negative")
            try SettingsError.require(gracePeriod >= 0, "grace_period", "\(gracePeriod) is negative")
        }
    }

    /// The sum of 2^row numbers, and the sum of their squared deviations from their mean.
    private struct Bucket: Codable {
        var total: Double
        var variance: Double
    }

    public let settings: Configuration
    private var rows: [[Bucket]] = [[]]
    private var width = 0.0
    private var total = 0.0
    private var variance = 0.0
    private var ticks = 0

    public init(_ settings: Configuration) { self.settings = settings }

    /// The mean of the window; 0 while it is empty.
    public var mean: Double { width > 0 ? total / width : 0 }

    public mutating func update(_ x: Double) -> Bool {
        insert(x)
        compress()
        ticks += 1
        guard ticks % settings.clock == 0, width > Double(settings.gracePeriod), hasSignificantCut() else { return false }
        self = ADWIN(settings)
        return true
    }

    private mutating func insert(_ x: Double) {
        rows[0].append(Bucket(total: x, variance: 0))
        width += 1
        if width > 1 {
            let deviation = x - total / (width - 1)
            variance += (width - 1) * deviation * deviation / width
        }
        total += x
    }

    /// Merges the two oldest buckets of a full row into one of the next.
    private mutating func compress() {
        var row = 0
        while rows[row].count == settings.maxBuckets + 1 {
            let size = Double(sign: .plus, exponent: row, significand: 1)
            let (first, second) = (rows[row][0], rows[row][1])
            let gap = first.total / size - second.total / size
            let merged = Bucket(total: first.total + second.total, variance: first.variance + second.variance + size * 0.5 * gap * gap)
            rows[row].removeFirst(2)
            if row + 1 == rows.count { rows.append([]) }
            rows[row + 1].append(merged)
            row += 1
        }
    }

    /// Tries every cut between two buckets, the oldest first.
    private func hasSignificantCut() -> Bool {
        var (oldWidth, newWidth) = (0.0, width)
        var (oldTotal, newTotal) = (0.0, total)
        for row in rows.indices.reversed() {
            let size = Double(sign: .plus, exponent: row, significand: 1)
            for (index, bucket) in rows[row].enumerated() {
                oldWidth += size
                newWidth -= size
                oldTotal += bucket.total
                newTotal -= bucket.total
                if row == 0, index == rows[0].count - 1 { return false }
                if isSignificant(oldWidth, newWidth, gap: oldTotal / oldWidth - newTotal / newWidth) { return true }
            }
        }
        return false
    }

    /// |gap| > √(2/m · σ² · δ′) + 2/3 · δ′/m, with 1/m = 1/(n₀ − s + 1) + 1/(n₁ − s + 1), δ′ = ln(2 ln n / δ),
    /// s = minWindowLength.
    private func isSignificant(_ oldWidth: Double, _ newWidth: Double, gap: Double) -> Bool {
        let shortest = Double(settings.minWindowLength)
        guard oldWidth >= shortest, newWidth >= shortest else { return false }
        let deltaPrime = log(2 * log(width) / settings.delta)
        let reciprocal = 1 / (oldWidth - shortest + 1) + 1 / (newWidth - shortest + 1)
        let epsilon = (2 * reciprocal * (variance / width) * deltaPrime).squareRoot() + 2.0 / 3.0 * deltaPrime * reciprocal
        return abs(gap) > epsilon
    }
}
