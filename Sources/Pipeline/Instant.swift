import Glibc
import Statistics

/// A point in time: nanoseconds on a clock that whoever uses it knows.
public struct Instant: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    public init(seconds: Double) { nanoseconds = Int64(clamping: (seconds * 1e9).rounded()) }

    public var seconds: Double { Double(nanoseconds) / 1e9 }
    public var description: String { "\(seconds) s" }

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Instant, b: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds.clampedAdding(b.nanoseconds)) }
    public static func - (a: Instant, b: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds.clampedSubtracting(b.nanoseconds)) }
    public static func - (a: Instant, b: Instant) -> Duration { .nanoseconds(a.nanoseconds.clampedSubtracting(b.nanoseconds)) }
}

extension Duration {
    /// Whole nanoseconds, at most Int64's.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product.clampedAdding(attoseconds / 1_000_000_000)
    }

    public var inSeconds: Double { Double(nanoseconds) / 1e9 }
}

/// Where a stage reads the time: the host's clock in life, a virtual one in tests.
public protocol TimeSource: Sendable {
    /// What stamps call the clock.
    var identity: String { get }
    var now: Instant { get }
}

/// Time since the host started; all processes of a host share it, and nobody sets it.
public struct MonotonicClock: TimeSource {
    public init() {}
    public var identity: String { "monotonic" }
    public var now: Instant { read(CLOCK_MONOTONIC) }
}

/// Time since 1970. It may be set, so it orders nothing; it tells one start of a process from the next.
public struct WallClock: TimeSource {
    public init() {}
    public var identity: String { "unix" }
    public var now: Instant { read(CLOCK_REALTIME) }
}

private func read(_ clock: clockid_t) -> Instant {
    var time = timespec()
    clock_gettime(clock, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
}
