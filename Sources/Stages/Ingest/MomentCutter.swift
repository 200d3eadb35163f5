import Schema

/// Where a stream is cut into moments: at events that end one, and at a time limit where no event comes.
///
/// All readings of a session pass it in the order of their arrival, so two equal streams are cut alike. Times are the session's own, in nanoseconds.
public struct MomentCutter: Sendable {
    public struct Configuration: Codable, Sendable, Equatable {
        /// A moment without an event that ends it is cut after this time, in seconds.
        public var timeLimit = 10.0
        /// Sessions remembered at once; the one unheard for longest is forgotten first.
        public var maximumSessions = 256
        /// A reading this far ahead of its session, in seconds, has a bad clock and is refused.
        public var maximumJump = 3600.0
        /// Live: a reading this far ahead of its session, in seconds, is believed only when the next one is as far.
        public var doubtfulJump = 60.0
        /// How clocks of a session are brought together.
        public var clocks = SourceClocks.Configuration()

        public init() {}
    }

    struct Session {
        var newest: Int64      // time of the newest reading or cut
        var boundary: Int64?   // end of the newest boundary
        var opened: Int64?     // time of the first reading since then
        var domain = ""
        var heard: Int64       // arrival of the newest event
        var doubtful: Int64?   // time of a reading far ahead that nothing has confirmed
    }

    private let configuration: Configuration
    let epoch: UInt64
    private let doubts: Bool
    private var ordinal: UInt64 = 0
    private var sessions: [String: Session] = [:]

    /// - Parameters:
    ///   - epoch: set in every boundary; greater after a restart.
    ///   - doubts: live: whether a time far ahead wants a second reading to be believed. A recording's times were looked at before.
    public init(_ configuration: Configuration, epoch: UInt64, doubts: Bool = false) {
        self.configuration = configuration
        self.doubts = doubts
        self.epoch = epoch
    }

    /// Ordinal of the newest boundary.
    public var newestBoundary: UInt64 { ordinal }

    /// Notes a reading; returns the boundary that its time implies before it, if any.
    public mutating func reading(session name: String, at time: Int64, domain: String, arrived: Int64) -> Result<Boundary?, CutRefusal> {
        var session = sessions[name] ?? Session(newest: time, heard: arrived)
        if isTooFarAhead(time, of: session) { return .failure(.clockInFuture) }
        if let refusal = doubt(time, of: &session, name) { return .failure(refusal) }
        var boundary: Boundary?
        if let opened = session.opened, time - opened > nanoseconds(configuration.timeLimit) {
            boundary = mark(name, &session, end: session.newest, .timeLimit, arrived)
        }
        // A reading of a moment that is closed opens none.
        if session.opened == nil, session.boundary.map({ time > $0 }) ?? true { session.opened = time }
        session.newest = max(session.newest, time)
        session.heard = arrived
        if !domain.isEmpty { session.domain = domain }
        keep(session, as: name)
        return .success(boundary)
    }

    /// Cuts the session at `time`.
    public mutating func cut(session name: String, at time: Int64, kind: CutKind, domain: String, arrived: Int64) -> Result<Boundary, CutRefusal> {
        var session = sessions[name] ?? Session(newest: time, heard: arrived)
        if let boundary = session.boundary, time <= boundary { return .failure(.cutRunsBack) }
        if isTooFarAhead(time, of: session) { return .failure(.clockInFuture) }
        if let refusal = doubt(time, of: &session, name) { return .failure(refusal) }
        if !domain.isEmpty { session.domain = domain }
        let boundary = mark(name, &session, end: time, kind, arrived)
        session.heard = arrived
        keep(session, as: name)
        return .success(boundary)
    }

    /// Cuts every session that has been silent for longer than the time limit. For live use, where no later reading may ever tell.
    public mutating func silence(at now: Int64) -> [Boundary] {
        let limit = nanoseconds(configuration.timeLimit)
        return cutAll { now - $0.heard > limit }
    }

    /// Cuts whatever is open: the stream ends.
    public mutating func finish(at now: Int64) -> [Boundary] {
        cutAll { _ in true }
    }

    private mutating func cutAll(where isDue: (Session) -> Bool) -> [Boundary] {
        var boundaries: [Boundary] = []
        for (name, state) in sessions.sorted(by: { $0.key < $1.key }) where state.opened != nil && isDue(state) {
            var session = state
            boundaries.append(mark(name, &session, end: session.newest, .timeLimit, session.heard))
            sessions[name] = session
        }
        return boundaries
    }

    private mutating func mark(_ name: String, _ session: inout Session, end: Int64, _ kind: CutKind, _ arrived: Int64) -> Boundary {
        ordinal += 1
        session.boundary = end
        session.opened = session.newest > end ? end : nil
        session.newest = max(session.newest, end)
        return Boundary.with {
            $0.ordinal = ordinal
            $0.epoch = epoch
            $0.session = name
            $0.end = end
            $0.kind = kind
            $0.domain = session.domain
            $0.arrived = arrived
        }
    }

    private mutating func keep(_ session: Session, as name: String) {
        if sessions[name] == nil, sessions.count >= configuration.maximumSessions,
           let oldest = sessions.min(by: { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) })?.key {
            sessions[oldest] = nil
        }
        sessions[name] = session
    }

    private func isTooFarAhead(_ time: Int64, of session: Session) -> Bool {
        time.subtractingReportingOverflow(session.newest).partialValue > nanoseconds(configuration.maximumJump)
    }

    /// One time far ahead would close all moments up to it, and what comes after would be late for as long: it waits for a second.
    private mutating func doubt(_ time: Int64, of session: inout Session, _ name: String) -> CutRefusal? {
        let limit = nanoseconds(configuration.doubtfulJump)
        guard doubts, time.subtractingReportingOverflow(session.newest).partialValue > limit else {
            session.doubtful = nil
            return nil
        }
        if let doubtful = session.doubtful, abs(time &- doubtful) <= limit {
            session.doubtful = nil
            return nil
        }
        session.doubtful = time
        keep(session, as: name)
        return .clockInFuture
    }

    private func nanoseconds(_ seconds: Double) -> Int64 { Int64(seconds * 1e9) }
}

/// Why a reading or a cut has no place in its session.
public enum CutRefusal: String, Error, Sendable, CaseIterable {
    case clockInFuture
    case cutRunsBack
}
