import Logging
import Messaging
import Schema
import Statistics

/// Limits the log lines about refusals: the first one of a reason is logged at once, then at most one line per period with
/// their number.
struct BurstLog {
    private struct Burst {
        var lastLine: Instant
        var suppressed: UInt64
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
            bursts[refusal.reason] = Burst(lastLine: now, suppressed: 0, example: "")
            log(refusal.reason, count, refusal.detail)
            return
        }
        burst.suppressed = burst.suppressed.clampedAdding(count)
        burst.example = refusal.detail
        bursts[refusal.reason] = burst
        logIfDue(refusal.reason, at: now)
    }

    /// Logs what has been suppressed for a period.
    mutating func flush(at now: Instant) {
        for reason in bursts.keys { logIfDue(reason, at: now) }
    }

    private mutating func logIfDue(_ reason: Reason, at now: Instant) {
        guard let burst = bursts[reason], burst.suppressed > 0, now - burst.lastLine >= period else { return }
        log(reason, burst.suppressed, burst.example)
        bursts[reason] = Burst(lastLine: now, suppressed: 0, example: "")
    }

    private func log(_ reason: Reason, _ count: UInt64, _ detail: String) {
        logger.warning("dropped \(count) × \(reason)\(detail.isEmpty ? "" : ", such as: \(detail.printable(atMost: 200))")")
    }
}
