/// The Page–Hinkley test: reports a drift when the sum of deviations from the running mean, with forgetting factor `alpha`, differs from
/// its extreme by more than `threshold`.  Page 1954, https://doi.org/10.1093/biomet/41.1-2.100
///
/// Settings and semantics are those of the Python package River, and drifts are reported at the same indices.
public struct PageHinkley: DriftDetector {
    public struct Configuration: Settings {
        public enum Mode: String, Choice { case up, down, both }

        /// No drift is reported before this many numbers.
        public var minInstances = 30
        /// A change of the mean smaller than this is tolerated.
        public var delta = 0.005
        public var threshold = 50.0
        /// Forgetting factor: the sums are multiplied by it at each number.
        public var alpha = 1 - 0.0001
        /// Whether an increase of the mean, a decrease, or both are reported as drifts.
        public var mode = Mode.both

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(minInstances >= 0, "min_instances", "\(minInstances) is negative")
            try SettingsError.require(threshold >= 0, "threshold", "\(threshold) is negative")
            try SettingsError.require(alpha >= 0 && alpha <= 1, "alpha", "\(alpha) is not in 0…1")
        }
    }

    public let settings: Configuration
    private var count = 0.0
    private var mean = 0.0
    private var increase = 0.0
    private var decrease = 0.0
    private var lowestIncrease: Double?
    private var highestDecrease = -1.0

    public init(_ settings: Configuration) { self.settings = settings }

    public mutating func update(_ x: Double) -> Bool {
        count += 1
        mean += (1 / count) * (x - mean)
        let deviation = x - mean
        increase = settings.alpha * increase + deviation - settings.delta
        decrease = settings.alpha * decrease + deviation + settings.delta
        let lowest = min(lowestIncrease ?? increase, increase)
        lowestIncrease = lowest
        highestDecrease = max(highestDecrease, decrease)

        let rose = settings.mode != .down && increase - lowest > settings.threshold
        let fell = settings.mode != .up && highestDecrease - decrease > settings.threshold
        guard count >= Double(settings.minInstances), rose || fell else { return false }
        self = PageHinkley(settings)
        return true
    }
}
