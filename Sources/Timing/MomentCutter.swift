import Schema
import Statistics

/// Cuts a stream into moments: at events that end one, and at a time limit where no such event comes.
///
/// It takes all readings and cuts of a session in the order of their arrival, so two equal streams are cut alike. Times are the session's
/// own, in nanoseconds. They run forward within a timeline; where a session's times start again, its moments continue in another timeline
/// (`SessionTimes`).
public struct MomentCutter: Sendable {
    /// Limits of moments, sessions and jumps in time.
    public struct Configuration: Codable, Sendable, Equatable {
        /// A moment without an event that ends it is cut after this time, in seconds.
        public var timeLimit = 10.0
        /// The most sessions that are remembered; the least recently seen is forgotten first.
        public var maximumSessions = 256
        /// The most sources of one session that are remembered, likewise.
        public var maximumSources = 64
        /// Lockstep: a time this far ahead of its session, in seconds, starts a new timeline. Live mode: a reading stamped with the wall
        /// clock this far in the future is refused.
        public var maximumJump = 3600.0
        /// A time this far behind its session, in seconds, is accepted only when the next one confirms it; in live mode also a time this
        /// far ahead of the time that has passed since.
        public var doubtfulJump = 60.0
        /// How the clocks of a session are converted to one time.
        public var clocks = SourceClocks.Configuration()

        public init() {}

        /// Every invalid setting, by key.
        public var problems: [SettingsError] {
            var problems = RangeProblems()
            problems.require("timeLimit", timeLimit, in: 0.01...86_400)
            problems.require("maximumSessions", maximumSessions, in: 1...100_000)
            problems.require("maximumSources", maximumSources, in: 1...100_000)
            problems.require("maximumJump", maximumJump, in: 0.01...1e9)
            problems.require("doubtfulJump", doubtfulJump, in: 0.01...1e9)
            problems.require("clocks.span", clocks.span, in: 0.001...3600)
            problems.require("clocks.spans", clocks.spans, in: 2...10_000)
            problems.require("clocks.maximumClocks", clocks.maximumClocks, in: 1...1000)
            problems.require("clocks.step", clocks.step, in: 0.001...86_400)
            return problems.found
        }
    }

    /// An event of a session: a reading, the end of a moment, or both.
    public struct Event: Sendable {
        /// The session's name.
        public var session: String
        /// Session time, nanoseconds.
        public var time: Int64
        /// The domain that the event names; empty: none.
        public var domain = ""
        /// The sender and its epoch, which is greater where the source has started again.
        public var source = ""
        public var epoch: UInt64 = 0
        /// Arrival on the host's monotonic clock, nanoseconds.
        public var arrived: Int64 = 0
        /// False for a cut alone, which opens no moment.
        public var isReading = true
        /// How a moment ends here; nil where none does.
        public var ends: CutKind?

        public init(session: String, time: Int64) {
            self.session = session
            self.time = time
        }
    }

    /// The result of an event.
    public struct Outcome: Sendable, Equatable {
        /// Boundaries to be placed before the event, in order.
        public var before: [Boundary] = []
        /// The boundary of the moment that ends with the event.
        public var boundary: Boundary?
        /// The timeline that its time belongs to.
        public var timeline: UInt64 = 0
        /// Its time in the session: its own, or a later one where its moment has ended already.
        public var time: Int64 = 0
        /// False for a time far behind that no other reading has confirmed.
        public var isAccepted = true
    }

    private struct Session {
        var times: SessionTimes
        var domain = ""
    }

    private let rule: SessionTimes.Rule
    /// The epoch of every boundary.
    package let epoch: UInt64
    private var ordinal: UInt64 = 0
    private var timelines: UInt64 = 0
    private var sessions: RecentTable<String, Session>

    /// - Parameters:
    ///   - epoch: set in every boundary; greater after a restart.
    ///   - doubts: live mode: whether a time far ahead needs a second reading to be accepted. The times of a recording were checked before.
    public init(_ configuration: Configuration, epoch: UInt64, doubts: Bool = false) {
        sessions = RecentTable(capacity: configuration.maximumSessions)
        self.epoch = epoch
        rule = SessionTimes.Rule(configuration, doubts: doubts)
    }

    /// Ordinal of the newest boundary.
    public var newestBoundary: UInt64 { ordinal }

    /// Processes an event. A refused event changes nothing, except that its time may confirm a later one.
    /// - Throws: `CutRefusal`.
    public mutating func take(_ event: Event) throws(CutRefusal) -> Outcome {
        var event = event
        let name = event.session
        var outcome = Outcome(), isNew = false
        var session: Session
        if let known = sessions[name] {
            session = known
        } else {
            isNew = true
            session = Session(times: SessionTimes(beginTimeline(at: event), rule))
        }
        defer { sessions[name] = session }
        let place = session.times.place(of: event, rule)
        if event.isReading, event.ends == .utteranceEnd { event.time = session.times.openTime(for: event.time, in: place, rule) }
        outcome.time = event.time
        if event.ends != nil, !session.times.canEnd(at: event.time, in: place) {
            if place == .unconfirmed { session.times.doubt(event) }
            throw .cutRunsBack
        }
        switch place {
        case .tooFarAhead:
            session.times.doubt(event)
            throw .clockInFuture
        case .unconfirmed:
            session.times.doubt(event)
            outcome.timeline = session.times.current.number
            outcome.isAccepted = false
            return outcome
        case .current, .previous, .anew: break
        }
        if isNew { outcome.before += makeRoom() }
        if place == .anew {
            outcome.before += closeAll(name, &session)
            session.times.begin(beginTimeline(at: event))
        } else if place == .previous {
            session.times.goBack()
        }
        session.times.accept(event)
        if event.isReading, session.times.current.isOverdue(at: event.time, limit: rule.timeLimit) {
            let end = session.times.current.newest
            outcome.before.append(mark(name, &session.times.current, session.domain, end: end, .timeLimit, event.arrived))
        }
        session.times.current.note(event)
        if !event.domain.isEmpty { session.domain = event.domain }
        if let kind = event.ends {
            outcome.boundary = mark(name, &session.times.current, session.domain, end: event.time, kind, event.arrived)
        }
        outcome.timeline = session.times.current.number
        return outcome
    }

    /// Whether a moment is open in a timeline of a session.
    package func isOpen(_ session: String, _ timeline: UInt64) -> Bool {
        sessions[session]?.times.all.contains { $0.number == timeline && $0.opened != nil } ?? false
    }

    /// Repeats a reading that was accepted before a restart. Readings and boundaries are repeated in their order.
    package mutating func restore(_ event: Event, timeline: UInt64) {
        let anew = Timeline(number: timeline, newest: event.time, arrived: event.arrived)
        var session = sessions[event.session] ?? Session(times: SessionTimes(anew, rule))
        if session.times.current.number != timeline {
            if session.times.previous?.number == timeline { session.times.goBack() } else { session.times.begin(anew) }
        }
        session.times.accept(event)
        session.times.current.note(event)
        if !event.domain.isEmpty { session.domain = event.domain }
        sessions[event.session] = session
    }

    /// Repeats the end of a moment from before a restart.
    package mutating func restore(_ boundary: Boundary) {
        sessions.update(boundary.session) { session in
            session.times.forEachTimeline { if $0.number == boundary.timeline { $0.end(at: boundary.end) } }
        }
    }

    /// Cuts every session without events for longer than the time limit. For live mode, where no later reading may come to show it.
    public mutating func silence(at now: Int64) -> [Boundary] {
        let limit = rule.timeLimit
        return cutAll { now.clampedSubtracting($0.arrived) > limit }
    }

    /// Cuts all open moments at the end of the stream.
    public mutating func finish() -> [Boundary] { cutAll { _ in true } }

    private mutating func cutAll(where isDue: (Timeline) -> Bool) -> [Boundary] {
        var boundaries: [Boundary] = []
        for (name, state) in sessions.sorted(by: { $0.key < $1.key })
        where state.times.all.contains(where: { $0.opened != nil && isDue($0) }) {
            var session = state
            boundaries += close(name, &session, where: isDue)
            sessions.update(name) { $0 = session }
        }
        return boundaries
    }

    private mutating func closeAll(_ name: String, _ session: inout Session) -> [Boundary] { close(name, &session) { _ in true } }

    /// Ends the moments that are open in the session's timelines, the earlier timeline's first.
    private mutating func close(_ name: String, _ session: inout Session, where isDue: (Timeline) -> Bool) -> [Boundary] {
        var boundaries: [Boundary] = []
        let domain = session.domain
        session.times.forEachTimeline { timeline in
            guard timeline.opened != nil, isDue(timeline) else { return }
            boundaries.append(mark(name, &timeline, domain, end: timeline.newest, .timeLimit, timeline.arrived))
        }
        return boundaries
    }

    private mutating func mark(
        _ name: String, _ timeline: inout Timeline, _ domain: String, end: Int64, _ kind: CutKind, _ arrived: Int64
    ) -> Boundary {
        ordinal += 1
        timeline.end(at: end)
        return Boundary.with {
            $0.ordinal = ordinal
            $0.epoch = epoch
            $0.session = name
            $0.end = end
            $0.kind = kind
            $0.domain = domain
            $0.arrived = arrived
            $0.timeline = timeline.number
        }
    }

    /// Starts a timeline, whose number is unique across restarts.
    private mutating func beginTimeline(at event: Event) -> Timeline {
        defer { timelines += 1 }
        return Timeline(number: epoch &+ timelines, newest: event.time, arrived: event.arrived)
    }

    /// Where there are as many sessions as allowed, forgets the least recently seen one and ends its open moments.
    private mutating func makeRoom() -> [Boundary] {
        guard sessions.isFull, let (name, oldest) = sessions.oldest else { return [] }
        sessions.remove(name)
        var session = oldest
        return closeAll(name, &session)
    }
}

/// Why a reading or a cut has no place in its session.
public enum CutRefusal: String, Error, Sendable, CaseIterable {
    case clockInFuture
    case cutRunsBack
}
