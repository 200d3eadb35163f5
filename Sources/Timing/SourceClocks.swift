import Schema
import Statistics

/// Brings what sources stamp with clocks of their own to one time for a session.
///
/// The first clock heard in a session is the session's. For every clock of it the lower envelope of arrival − stamp over arrival tells how far it is
/// from the host's monotonic clock, and how it drifts; what two clocks differ by is the difference of their envelopes. Delays on the way do not
/// count, but for the least of them, which cannot be told from an offset. Readings with the session's clock are left as they are. A clock that was
/// set, or that starts again with its device, is learned anew from there; until then its readings count as captured when they arrive.
public struct SourceClocks: Sendable {
    public struct Configuration: Codable, Sendable, Equatable {
        /// Live: whether readings stamped with another clock than their session's are brought to it.
        public var corrects = true
        /// Seconds of which the least delay is kept, and how many such spans are remembered.
        public var span = 1.0
        public var spans = 64
        /// Clocks of one session remembered at once.
        public var maximumClocks = 16
        /// A clock that is suddenly this many seconds ahead has been set, and is learned anew; so has one that is behind where its source starts again.
        public var step = 1.0

        public init() {}
    }

    private struct Clock: Sendable {
        var envelope: LowerEnvelope
        var heard: Int64
        /// The greatest of the sources that stamp with it.
        var epoch: UInt64 = 0
    }

    private struct Session: Sendable {
        let own: String
        /// What differences are counted from, so that doubles hold them exactly enough.
        let origin: (stamp: Int64, arrived: Int64)
        var clocks: [String: Clock] = [:]
        var heard: Int64

        /// Seconds of arrival.
        func x(_ arrived: Int64) -> Double { Double(arrived.clampedSubtracting(origin.arrived)) / 1e9 }

        /// Seconds of arrival − stamp, but for a constant of the session.
        func y(_ stamp: Int64, _ arrived: Int64) -> Double {
            Double(arrived.clampedSubtracting(origin.arrived).clampedSubtracting(stamp.clampedSubtracting(origin.stamp))) / 1e9
        }
    }

    private let configuration: Configuration
    private let maximumSessions: Int
    /// A reading that comes this many seconds late was stamped by a clock that has been set back.
    private let longestDelay: Double
    private var sessions: [String: Session] = [:]
    /// Readings whose time was changed.
    private(set) var corrected = 0

    package init(_ cut: MomentCutter.Configuration) {
        configuration = cut.clocks
        maximumSessions = cut.maximumSessions
        longestDelay = cut.doubtfulJump
    }

    /// The session's time of a stamp that arrives now.
    package func time(of stamp: Stamp, session name: String, arrived: Int64) -> Int64 {
        guard configuration.corrects, !stamp.clock.isEmpty, let session = sessions[name], session.own != stamp.clock,
            let own = session.clocks[session.own]?.envelope.line(at: session.x(arrived))
        else { return stamp.time }
        let delay = session.y(stamp.time, arrived)
        let other = session.clocks[stamp.clock].flatMap { value(of: $0, at: session.x(arrived), stamp, delay) } ?? delay
        return stamp.time.clampedAdding(Int64(clamping: ((other - own.value) * 1e9).rounded()))
    }

    /// The clock's least delay; nil where a reading shows that the clock has been set.
    private func value(of clock: Clock, at x: Double, _ stamp: Stamp, _ delay: Double) -> Double? {
        guard let line = clock.envelope.line(at: x)?.value, delay >= line - configuration.step else { return nil }
        return delay <= line + (stamp.epoch > clock.epoch ? configuration.step : longestDelay) ? line : nil
    }

    /// Takes in a stamp that was believed.
    package mutating func note(_ stamp: Stamp, session name: String, arrived: Int64) {
        guard configuration.corrects, !stamp.clock.isEmpty else { return }
        var session = sessions[name] ?? Session(own: stamp.clock, origin: (stamp.time, arrived), heard: arrived)
        let (x, y) = (session.x(arrived), session.y(stamp.time, arrived))
        var clock = session.clocks[stamp.clock] ?? fresh(arrived)
        if value(of: clock, at: x, stamp, y) == nil { clock = fresh(arrived) }
        clock.envelope.add(x: x, y: y)
        clock.heard = arrived
        clock.epoch = max(clock.epoch, stamp.epoch)
        session.clocks[stamp.clock] = clock
        session.heard = arrived
        if stamp.clock != session.own { corrected += 1 }
        if session.clocks.count > configuration.maximumClocks,
            let oldest = session.clocks.filter({ $0.key != session.own }).min(by: { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) })?
                .key
        {
            session.clocks[oldest] = nil
        }
        if sessions[name] == nil, sessions.count >= maximumSessions,
            let oldest = sessions.min(by: { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) })?.key
        {
            sessions[oldest] = nil
        }
        sessions[name] = session
    }

    /// Seconds that a clock is ahead of the session's, and how many millionths faster it runs; nil while one of them is unknown.
    func difference(of clock: String, session name: String, at arrived: Int64) -> (offset: Double, drift: Double)? {
        guard let session = sessions[name], let own = session.clocks[session.own]?.envelope.line(at: session.x(arrived)),
            let other = session.clocks[clock]?.envelope.line(at: session.x(arrived))
        else { return nil }
        return (own.value - other.value, 1e6 * (own.slope - other.slope))
    }

    /// By clock, of the session heard last: what its status tells.
    package func gauges(at arrived: Int64) -> [String: Double] {
        guard let (name, session) = sessions.max(by: { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) }) else { return [:] }
        var gauges: [String: Double] = corrected > 0 ? ["clockCorrected": Double(corrected)] : [:]
        for clock in session.clocks.keys where clock != session.own {
            guard let (offset, drift) = difference(of: clock, session: name, at: arrived) else { continue }
            gauges["clockOffset.\(clock.prefix(64))"] = offset
            gauges["clockDrift.\(clock.prefix(64))"] = drift
        }
        return gauges
    }

    private func fresh(_ arrived: Int64) -> Clock {
        Clock(
            envelope: LowerEnvelope(bucket: configuration.span, capacity: configuration.spans, steepest: Self.greatestDrift), heard: arrived
        )
    }

    /// No clock that works gains or loses more than a thousandth against another.
    private static let greatestDrift = 0.001
}
