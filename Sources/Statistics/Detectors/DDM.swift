/// The drift detection method: reports a drift when a learner's error rate is more than `driftThreshold` standard deviations above its
/// minimum.
/// Gama et al. 2004, https://doi.org/10.1007/978-3-540-28645-5_29
///
/// The numbers are errors: 0 is right, anything else is wrong. Settings and semantics are those of the Python package River, and
/// drifts are reported at the same indices.
public struct DDM: DriftDetector {
    public struct Configuration: Settings {
        /// No drift is reported before more than this many numbers.
        public var warmStart = 30
        /// Standard deviations above the best rate at which to warn.
        public var warningThreshold = 2.0
        /// Standard deviations above the best rate at which to report a drift.
        public var driftThreshold = 3.0

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(warmStart >= 0, "warm_start", "\(warmStart) is negative")
            try SettingsError.require(warningThreshold >= 0, "warning_threshold", "\(warningThreshold) is negative")
            try SettingsError.require(driftThreshold >= 0, "drift_threshold", "\(driftThreshold) is negative")
        }
    }

    private struct Best: Codable {
        var rate: Double
        var deviation: Double
    }

    public let settings: Configuration
    /// Whether the last number left the error rate between the two thresholds.
    public private(set) var isWarning = false
    private var count = 0.0
    private var rate = 0.0
    private var best: Best?

    public init(_ settings: Configuration) { self.settings = settings }

    public mutating func update(_ x: Double) -> Bool {
        let mistake = x == 0 ? 0.0 : 1.0
        count += 1
        rate += (1 / count) * (mistake - rate)
        let deviation = (rate * (1 - rate) / count).squareRoot()
        guard count > Double(settings.warmStart) else { return false }

        var best = self.best ?? Best(rate: rate, deviation: deviation)
        if rate + deviation <= best.rate + best.deviation { best = Best(rate: rate, deviation: deviation) }
        self.best = best
        isWarning = rate + deviation > best.rate + settings.warningThreshold * best.deviation
        guard rate + deviation > best.rate + settings.driftThreshold * best.deviation else { return false }
        self = DDM(settings)
        return true
    }
}
