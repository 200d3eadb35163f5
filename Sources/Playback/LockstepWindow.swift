import Configuration
import Schema
import Statistics
import Timing
import Wiring

/// Bounds how far a publisher is ahead in lockstep: counts the moments it has sent, by the rule that ingest cuts them with, against those
/// that the evaluator has finished.
struct LockstepWindow {
    private let settings: LockstepSettings
    private var cutter: MomentCutter
    private var base: UInt64?
    private(set) var done: UInt64 = 0

    init(_ settings: GraphSettings) {
        self.settings = settings.lockstep
        cutter = MomentCutter(settings.cut, epoch: 0)
    }

    /// Whether the noted events may be sent.
    var hasRoom: Bool {
        cutter.newestBoundary <= done.clampedAdding(UInt64(max(1, settings.window)))
    }

    /// Notes an event that is to be sent.
    mutating func note(_ event: MomentCutter.Event) {
        _ = try? cutter.take(event)  // ingest refuses it too
    }

    /// Notes that the evaluator has finished moment `ordinal`; the first one reported is the first of this stream.
    mutating func progress(_ ordinal: UInt64) {
        let base = self.base ?? ordinal - min(ordinal, 1)
        self.base = base
        done = max(done, ordinal - min(ordinal, base))
    }
}
