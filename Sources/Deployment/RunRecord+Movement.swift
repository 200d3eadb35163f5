import Schema
import Statistics

extension RunRecord {
    /// A number that changes whenever a process receives or sends a message other than a status, and whenever a moment is evaluated.
    var activity: UInt64 {
        statuses.values.reduce(summary?.watermark ?? 0) { sum, status in
            let sent = status.sent.filter { $0.key != "status" }.values, all = [UInt64](sent) + status.received.values
            return all.reduce(sum) { $0 &+ $1 }
        }
    }

    /// Whether the player is waiting for the time of the next event, as in pauses of a recording.
    var isPausing: Bool { statuses["play"].map { !$0.last && $0.gauges["nextIn", default: 0] > 0 } ?? false }
}

extension RunRecord {
    /// The number of moments processed by the evaluators; if the evaluator was restarted, at least the number made by fuse since its start.
    var moments: UInt64 {
        let evaluated = evaluatedBefore.clampedAdding(summary?.moments ?? 0).clampedAdding(summary?.setAside ?? 0)
        return evaluatedBefore > 0 ? max(evaluated, UInt64(clamping: statuses["fuse"]?.gauges["moments"] ?? 0)) : evaluated
    }
}
