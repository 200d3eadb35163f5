import Configuration
import Schema
import Statistics
import Timing
import Wiring

/// Counts the moments that a publisher has sent on their way, by the rule that ingest cuts them with, against those that the referee is done with.
struct LockstepWindow {
    private let settings: LockstepSettings
    private var cutter: MomentCutter
    private var base: UInt64?
    private(set) var done: UInt64 = 0

    init(_ settings: GraphSettings) {
        self.settings = settings.lockstep
        cutter = MomentCutter(settings.cut, epoch: 0)
    }

    /// Whether what was noted may be sent.
    var hasRoom: Bool {
        cutter.newestBoundary <= done.clampedAdding(UInt64(max(1, settings.window)))
    }

    /// Notes what is being sent.
    mutating func note(_ event: MomentCutter.Event) {
        _ = try? cutter.take(event)  // ingest refuses it alike
    }

    /// The referee is done with moment `ordinal`; the first one it tells is the first of this stream.
    mutating func progress(_ ordinal: UInt64) {
        let base = self.base ?? ordinal - min(ordinal, 1)
        self.base = base
        done = max(done, ordinal - min(ordinal, base))
    }
}
