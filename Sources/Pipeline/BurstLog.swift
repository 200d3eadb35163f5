import Logging
import Messaging
import Schema
import Statistics

/// Says once what happens often: the first refusal of a reason at once, then at most one line a period with how many
/// there were.
struct BurstLog {
    private struct Burst {
        var lastLine: Instant
        var unsaid: UInt64
        var example: String
    }

    private let logger: Logger
    private let period: Duration
    private var bursts: [Reason: Burst] = [:]

    init(_ logger: Logger, period: Duration) {
        self.logger = logger
        self.period = period
    }

    mutating func note(_ refusal: Refusal, count: UInt64 = 1, at now: Instant) {
        guard var burst = bursts[refusal.reason] else {
            bursts[refusal.reason] = Burst(lastLine: now, unsaid: 0, example: "")
            say(refusal.reason, count, refusal.detail)
            return
        }
        burst.unsaid = burst.unsaid.clampedAdding(count)
        burst.example = refusal.detail
        bursts[refusal.reason] = burst
        sayWhatIsDue(refusal.reason, at: now)
    }

    /// Says what has been kept back for a period.
    mutating func flush(at now: Instant) {
        for reason in bursts.keys { sayWhatIsDue(reason, at: now) }
    }

    private mutating func sayWhatIsDue(_ reason: Reason, at now: Instant) {
        guard let burst = bursts[reason], burst.unsaid > 0, now - burst.lastLine >= period else { return }
        say(reason, burst.unsaid, burst.example)
        bursts[reason] = Burst(lastLine: now, unsaid: 0, example: "")
    }

    private func say(_ reason: Reason, _ count: UInt64, _ detail: String) {
        logger.warning("dropped \(count) × \(reason)\(detail.isEmpty ? "" : ", such as: \(detail.printable(atMost: 200))")")
    }
}
