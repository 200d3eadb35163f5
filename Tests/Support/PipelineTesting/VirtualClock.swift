import Pipeline
import Synchronization

/// A clock whose time changes only when it is advanced.
public final class VirtualClock: TimeSource {
    private let time: Mutex<Instant>

    public init(at start: Instant = Instant(nanoseconds: 0)) { time = Mutex(start) }

    public var identity: String { "virtual" }
    public var now: Instant { time.withLock { $0 } }

    public func advance(by duration: Duration) { time.withLock { $0 = $0 + duration } }
}
