/// Reports a drift at every `every`-th number, whatever its value: the baseline for the other detectors.
public struct EveryN: DriftDetector {
    public struct Configuration: Settings {
        public var every = 1000

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(every >= 1, "every", "\(every) is below 1")
        }
    }

    public let settings: Configuration
    private var count = 0

    public init(_ settings: Configuration) { self.settings = settings }

    public mutating func update(_ x: Double) -> Bool {
        count = (count + 1) % settings.every
        return count == 0
    }
}
