/// Messages and recordings have times in whole nanoseconds, settings and reports in seconds: here alone one becomes the other.
/// Nothing traps, however large the number.
extension Int64 {
    /// No time of a reading lies further from 0 than this, in nanoseconds: some 285 years.
    public static let furthestTime: Int64 = 9_000_000_000_000_000_000

    /// The nanoseconds in as many seconds, clamped to about ±292 years; zero for NaN.
    public init(nanosecondsIn seconds: Double, rounded rule: FloatingPointRoundingRule = .towardZero) {
        self.init(clamping: (seconds * 1e9).rounded(rule))
    }
}

extension BinaryFloatingPoint {
    /// The seconds in as many nanoseconds, rounded.
    public init(secondsIn nanoseconds: Int64) { self = Self(nanoseconds) / 1_000_000_000 }
}

extension Duration {
    /// A duration of as many seconds, clamped to about ±292 years; zero for NaN.
    public static func seconds(clamping seconds: Double) -> Duration { .nanoseconds(Int64(nanosecondsIn: seconds)) }

    /// Whole nanoseconds, clamped to Int64.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.clampedMultiplying(by: 1_000_000_000).clampedAdding(attoseconds / 1_000_000_000)
    }

    /// The duration in seconds, rounded to a double.
    public var inSeconds: Double { Double(secondsIn: nanoseconds) }
}
