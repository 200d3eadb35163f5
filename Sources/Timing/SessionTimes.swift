import Statistics

/// A period of a session in which its time runs forward.
struct Timeline: Sendable {
    let number: UInt64
    /// Time of the newest reading or cut.
    var newest: Int64
    /// End of the newest boundary.
    var boundary: Int64?
    /// Time of the first reading since then.
    var opened: Int64?
    /// Arrival of the newest event.
    var arrived: Int64

    init(number: UInt64, newest: Int64, arrived: Int64) {
        self.number = number
        self.newest = newest
        self.arrived = arrived
    }

    /// Whether a reading shows that its moment has lasted longer than the limit. A reading older than the newest shows nothing.
    func isOverdue(at time: Int64, limit: Int64) -> Bool {
        guard let opened, time > newest else { return false }
        return time.clampedSubtracting(opened) > limit
    }

    /// Records an event. A reading of a moment that is closed opens no new one.
    mutating func note(_ event: MomentCutter.Event) {
        if event.isReading, opened == nil, boundary.map({ event.time > $0 }) ?? true { opened = event.time }
        newest = max(newest, event.time)
        arrived = event.arrived
    }

    mutating func end(at end: Int64) {
        boundary = end
        opened = newest > end ? end : nil
        newest = max(newest, end)
    }
}

/// The times of a session, as far as they are accepted.
///
/// A session has at most two timelines: the current and the previous one. A time that lies near one of them belongs to it. A pause, a
/// clock that was set or a device that started again begins a new one, and after a wrong time the session returns to the previous one; so
/// no time, however far off, stops a session.
struct SessionTimes: Sendable {
    /// The limits within which a time counts as near, in nanoseconds.
    struct Rule: Sendable {
        let timeLimit: Int64
        let jump: Int64
        let doubtful: Int64
        let maximumSources: Int
        /// Live mode: arrivals show how much time has passed, and a time too far ahead waits for a second reading.
        let doubts: Bool

        init(_ configuration: MomentCutter.Configuration, doubts: Bool) {
            timeLimit = Int64(nanosecondsIn: configuration.timeLimit)
            jump = Int64(nanosecondsIn: configuration.maximumJump)
            doubtful = Int64(nanosecondsIn: configuration.doubtfulJump)
            maximumSources = configuration.maximumSources
            self.doubts = doubts
        }
    }

    /// The timeline that an event's time belongs to.
    enum Place: Equatable {
        case current
        case previous
        /// A new timeline, which begins with it.
        case anew
        /// None: it lies far ahead, and no other reading has confirmed it.
        case tooFarAhead
        /// It lies far behind, and no other reading has confirmed it: it is treated as a late reading.
        case unconfirmed
    }

    private struct Source: Sendable {
        var epoch: UInt64
        var newest: Int64
        var timeline: UInt64
    }

    var current: Timeline
    private(set) var previous: Timeline?
    /// By source, distant times that no other reading has confirmed, and their arrivals.
    private var doubted: RecentTable<String, (time: Int64, arrived: Int64)>
    private var sources: RecentTable<String, Source>

    init(_ timeline: Timeline, _ rule: Rule) {
        current = timeline
        doubted = RecentTable(capacity: rule.maximumSources)
        sources = RecentTable(capacity: rule.maximumSources)
    }

    var all: [Timeline] { (previous.map { [$0] } ?? []) + [current] }

    func place(of event: MomentCutter.Event, _ rule: Rule) -> Place {
        if hasStartedAgain(event) { return .anew }
        if isNear(event, to: current, rule) { return .current }
        if let previous, isNear(event, to: previous, rule) { return .previous }
        if isConfirmed(event, rule) { return .anew }
        if event.time < current.newest { return .unconfirmed }
        return rule.doubts ? .tooFarAhead : .anew
    }

    /// Whether a moment can end at the time: after the newest boundary there.
    func canEnd(at time: Int64, in place: Place) -> Bool {
        switch place {
        case .current: current.boundary.map { time > $0 } ?? true
        case .previous: previous?.boundary.map { time > $0 } ?? true
        case .anew, .tooFarAhead: true
        case .unconfirmed: false
        }
    }

    /// The time at which the last words of an utterance end a moment. Words come later than the sound that they were found in, and meanwhile
    /// its moment can have ended, at the time limit or by a cut: then they end the moment that is open now.
    /// - Returns: `time`, where it is not before the newest boundary, or lies further behind it than the time limit.
    func openTime(for time: Int64, in place: Place, _ rule: Rule) -> Int64 {
        let timeline = place == .current ? current : place == .previous ? previous : nil
        guard let timeline, let boundary = timeline.boundary, time < boundary, boundary.clampedSubtracting(time) <= rule.timeLimit else {
            return time
        }
        return max(timeline.newest, boundary.clampedAdding(1))
    }

    mutating func doubt(_ event: MomentCutter.Event) {
        doubted[event.source] = (event.time, event.arrived)
    }

    /// The current timeline becomes the previous one.
    mutating func begin(_ timeline: Timeline) {
        previous = current
        current = timeline
        doubted.removeAll()
    }

    mutating func goBack() {
        guard let other = previous else { return }
        previous = current
        current = other
    }

    /// Records that the event belongs to the current timeline.
    mutating func accept(_ event: MomentCutter.Event) {
        doubted.remove(event.source)
        let known = sources[event.source], isSame = known?.timeline == current.number
        sources[event.source] = Source(
            epoch: max(known?.epoch ?? 0, event.epoch), newest: isSame ? max(known?.newest ?? event.time, event.time) : event.time,
            timeline: current.number)
    }

    mutating func forEachTimeline(_ body: (inout Timeline) -> Void) {
        if var timeline = previous {
            body(&timeline)
            previous = timeline
        }
        body(&current)
    }

    /// Whether a source with a greater epoch has times that run back: it counts them from the start of its device. Once one source has
    /// begun a timeline, the device's other sources join it.
    private func hasStartedAgain(_ event: MomentCutter.Event) -> Bool {
        guard let source = sources[event.source], event.epoch > source.epoch, event.time < source.newest else { return false }
        return source.timeline == max(current.number, previous?.number ?? 0)
    }

    private func isNear(_ event: MomentCutter.Event, to timeline: Timeline, _ rule: Rule) -> Bool {
        let lead = event.time.clampedSubtracting(timeline.newest)
        if lead < 0 { return lead >= -rule.doubtful }
        return lead <= (rule.doubts ? rule.doubtful.clampedAdding(passed(since: timeline.arrived, event)) : rule.jump)
    }

    private func isConfirmed(_ event: MomentCutter.Event, _ rule: Rule) -> Bool {
        doubted.contains { _, doubted in
            let distance = event.time.clampedSubtracting(doubted.time)
            let limit = rule.doubts ? rule.doubtful.clampedAdding(passed(since: doubted.arrived, event)) : rule.doubtful
            return distance <= limit && distance >= -rule.doubtful
        }
    }

    private func passed(since arrived: Int64, _ event: MomentCutter.Event) -> Int64 { max(0, event.arrived.clampedSubtracting(arrived)) }
}
