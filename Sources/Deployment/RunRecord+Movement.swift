import Schema
import Statistics

extension RunRecord {
    /// Changes with every message that any process has received or sent, but for statuses, and with every moment that was dealt with.
    var activity: UInt64 {
        statuses.values.reduce(summary?.watermark ?? 0) { sum, status in
            let sent = status.sent.filter { $0.key != "status" }.values, all = [UInt64](sent) + status.received.values
            return all.reduce(sum) { $0 &+ $1 }
        }
    }

    /// Whether the player waits for the time of what comes next, as it does where a recording pauses.
    var isPausing: Bool { statuses["play"].map { !$0.last && $0.gauges["nextIn", default: 0] > 0 } ?? false }
}

extension RunRecord {
    /// Moments that the evaluators dealt with, or that fuse has made since it started, whichever is more.
    var moments: UInt64 {
        let evaluated = evaluatedBefore.clampedAdding(summary?.moments ?? 0).clampedAdding(summary?.setAside ?? 0)
        return evaluatedBefore > 0 ? max(evaluated, UInt64(clamping: statuses["fuse"]?.gauges["moments"] ?? 0)) : evaluated
    }
}
