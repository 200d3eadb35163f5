import Schema

/// Counts the moments that a publisher has sent on their way, by the rule that ingest cuts them with, against those that the referee is done with.
struct LockstepWindow {
    private let settings: LockstepSettings
    private var cutter: MomentCutter
    private var base: UInt64?
    private(set) var done: UInt64 = 0

    init(_ settings: Settings) {
        self.settings = settings.lockstep
        cutter = MomentCutter(settings.cut, epoch: 0)
    }

    /// Whether another message may be sent.
    var hasRoom: Bool {
        cutter.newestBoundary < done + UInt64(settings.window)
    }

    mutating func reading(session: String, at time: Int64, domain: String) {
        _ = cutter.reading(session: session, at: time, domain: domain, arrived: time)
    }

    mutating func cut(session: String, at time: Int64) {
        _ = cutter.cut(session: session, at: time, kind: .explicit, domain: "", arrived: time)
    }

    /// The referee is done with moment `ordinal`; the first one it tells is the first of this stream.
    mutating func progress(_ ordinal: UInt64) {
        let base = self.base ?? ordinal - min(ordinal, 1)
        self.base = base
        done = max(done, ordinal - min(ordinal, base))
    }
}


/// Labels that become known later than their moments end, by that time.
struct DueLabels {
    private var waiting: [Feedback] = []

    mutating func insert(_ feedback: Feedback) {
        let place = waiting.firstIndex { $0.knownAt > feedback.knownAt } ?? waiting.endIndex
        waiting.insert(feedback, at: place)
    }

    /// Takes out those that are known at `time`, in order.
    mutating func due(at time: Int64) -> [Feedback] {
        let count = waiting.firstIndex { $0.knownAt > time } ?? waiting.endIndex
        defer { waiting.removeFirst(count) }
        return Array(waiting.prefix(count))
    }

    mutating func all() -> [Feedback] { due(at: .max) }
}
