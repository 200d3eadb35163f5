/// The tabular cumulative sum of numbers standardised by the mean and deviation of the first `warmStart` of them.
/// S⁺ = max(0, S⁺ + z − slack), S⁻ = max(0, S⁻ − z − slack); a drift is reported when either exceeds `threshold`.
/// Page 1954, https://doi.org/10.1093/biomet/41.1-2.100
public struct CUSUM: DriftDetector {
    public struct Configuration: Settings {
        /// How many numbers the reference mean and deviation are estimated from.
        public var warmStart = 100
        /// In standard deviations: half the smallest change worth finding.
        public var slack = 0.5
        /// In standard deviations.
        public var threshold = 10.0

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(warmStart >= 2, "warm_start", "\(warmStart) is below 2")
            try SettingsError.require(slack >= 0, "slack", "\(slack) is negative")
            try SettingsError.require(threshold > 0, "threshold", "\(threshold) is not positive")
        }
    }

    public let settings: Configuration
    private var normal = RunningMoments()
    private var above = 0.0
    private var below = 0.0

    public init(_ settings: Configuration) { self.settings = settings }

    public mutating func update(_ x: Double) -> Bool {
        guard normal.count >= settings.warmStart else {
            normal.add(x)
            return false
        }
        let spread = max(normal.standardDeviation, .leastNormalMagnitude)
        let z = min(max((x - normal.mean) / spread, -1e9), 1e9)
        above = max(0, above + z - settings.slack)
        below = max(0, below - z - settings.slack)
        guard max(above, below) > settings.threshold else { return false }
        self = CUSUM(settings)
        return true
    }
}
