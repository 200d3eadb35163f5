import Glibc
import Statistics

/// A point in time: nanoseconds on a clock that the context defines.
public struct Instant: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    public init(seconds: Double) { nanoseconds = Int64(nanosecondsIn: seconds, rounded: .toNearestOrAwayFromZero) }

    /// The time in seconds, rounded to a double.
    public var seconds: Double { Double(secondsIn: nanoseconds) }
    public var description: String { "\(seconds) s" }

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Instant, b: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds.clampedAdding(b.nanoseconds)) }
    public static func - (a: Instant, b: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds.clampedSubtracting(b.nanoseconds)) }
    public static func - (a: Instant, b: Instant) -> Duration { .nanoseconds(a.nanoseconds.clampedSubtracting(b.nanoseconds)) }
}

/// The clock that a stage reads: the host's in production, a virtual one in tests.
public protocol TimeSource: Sendable {
    /// The clock's name in stamps.
    var identity: String { get }
    var now: Instant { get }
}

/// Time since the host started; all processes of a host share it, and it is never set.
public struct MonotonicClock: TimeSource {
    public init() {}
    public var identity: String { "monotonic" }
    public var now: Instant { read(CLOCK_MONOTONIC) }
}

/// Time since 1970. It may be set, so it is not used for order within a run; it distinguishes one start of a process from the next.
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
