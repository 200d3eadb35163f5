/// Kolmogorov–Smirnov windowing: a two-sample test of the newest `statSize` numbers against as many drawn at random from the older part
/// of a sliding window.
/// Raab, Heusinger and Schleif 2020, https://doi.org/10.1016/j.neucom.2019.11.111
///
/// Settings and semantics are those of the Python package River, except that the older numbers are drawn with `RandomSource`.
public struct KSWIN: DriftDetector {
    public struct Configuration: Settings {
        /// The p-value at or below which the two samples differ.
        public var alpha = 0.005
        public var windowSize = 100
        public var statSize = 30
        public var seed: UInt64 = 0

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(alpha >= 0 && alpha <= 1, "alpha", "\(alpha) is not in 0…1")
            try SettingsError.require((1...10_000).contains(statSize), "stat_size", "\(statSize) is not in 1…10000")
            try SettingsError.require(
                windowSize >= 2 * statSize && windowSize <= 1_000_000, "window_size",
                "\(windowSize) is not between twice stat_size (\(2 * statSize)) and 1000000")
        }
    }

    public let settings: Configuration
    private var window: [Double] = []
    private var random: RandomSource

    public init(_ settings: Configuration) {
        self.settings = settings
        random = RandomSource(seed: settings.seed)
    }

    public mutating func update(_ x: Double) -> Bool {
        if window.count == settings.windowSize { window.removeFirst() }
        window.append(x)
        guard window.count == settings.windowSize else { return false }
        let older = settings.windowSize - settings.statSize
        let drawn = random.sample(settings.statSize, below: older).map { window[$0] }
        let distance = maximumDistance(drawn, Array(window[older...]))
        let probability = probability(ofDistance: distance, samples: settings.statSize)
        guard probability <= settings.alpha, Double(distance) / Double(settings.statSize) > 0.1 else { return false }
        self = KSWIN(settings)
        return true
    }
}

/// The greatest difference of the two samples' distribution functions, in units of 1/n, both of n numbers.
private func maximumDistance(_ left: [Double], _ right: [Double]) -> Int {
    let (left, right) = (left.sorted(), right.sorted())
    var (i, j, distance) = (0, 0, 0)
    while i < left.count, j < right.count {
        let x = min(left[i], right[j])
        while i < left.count, left[i] == x { i += 1 }
        while j < right.count, right[j] == x { j += 1 }
        distance = max(distance, abs(i - j))
    }
    return distance
}

/// P(D ≥ h/n) for two samples of n numbers from one distribution: 2 Σₖ (−1)ᵏ⁻¹ C(2n, n − kh) / C(2n, n).
/// Gnedenko and Korolyuk 1951; the quotient of binomials as a product of at most n factors.
private func probability(ofDistance h: Int, samples n: Int) -> Double {
    guard h > 0 else { return 1 }
    var sum = 0.0
    for k in 1...max(1, n / h) where k * h <= n {
        let quotient = (0..<(k * h)).reduce(1.0) { product, i in product * Double(n - i) / Double(n + k * h - i) }
        sum += k % 2 == 1 ? quotient : -quotient
    }
    return min(1, max(0, 2 * sum))
}
