import Schema
import Statistics

/// Converts the stamps of sources with different clocks to one time per session.
///
/// The first clock seen in a session is the session's. For each of its clocks the lower envelope of arrival − stamp over arrival estimates
/// its offset from the host's monotonic clock and its drift; the difference of two clocks is the difference of their envelopes. Transport
/// delays do not matter, except for the least of them, which cannot be distinguished from an offset. Readings with the session's clock are
/// left unchanged. A clock that was set, or that starts again with its device, is estimated anew from there; until then its readings count
/// as captured when they arrive.
public struct SourceClocks: Sendable {
    /// How clocks are estimated.
    public struct Configuration: Codable, Sendable, Equatable {
        /// Live mode: whether readings stamped with another clock than their session's are converted to it.
        public var corrects = true
        /// Seconds of a span, of which the least delay is kept, and the number of spans remembered.
        public var span = 1.0
        public var spans = 64
        /// The most clocks of one session that are remembered.
        public var maximumClocks = 16
        /// A clock that is suddenly this many seconds ahead has been set and is estimated anew; so is one that is as far behind when its
        /// source has started again.
        public var step = 1.0

        public init() {}
    }

    private struct Clock: Sendable {
        var envelope: LowerEnvelope
        /// The greatest epoch of the sources that stamp with it.
        var epoch: UInt64 = 0
    }

    private struct Session: Sendable {
        /// The name of the session's clock.
        let own: String
        /// The reference that differences are computed from, so that doubles hold them with enough precision.
        let origin: (stamp: Int64, arrived: Int64)
        var ownClock: Clock?
        var others: RecentTable<String, Clock>

        subscript(clock: String) -> Clock? {
            get { clock == own ? ownClock : others[clock] }
            set { if clock == own { ownClock = newValue } else { others[clock] = newValue } }
        }

        /// Seconds of arrival.
        func x(_ arrived: Int64) -> Double { Double(secondsIn: arrived.clampedSubtracting(origin.arrived)) }

        /// Seconds of arrival − stamp, but for a constant of the session.
        func y(_ stamp: Int64, _ arrived: Int64) -> Double {
            Double(secondsIn: arrived.clampedSubtracting(origin.arrived).clampedSubtracting(stamp.clampedSubtracting(origin.stamp)))
        }
    }

    private let configuration: Configuration
    /// A reading that arrives this many seconds late was stamped by a clock that has been set back.
    private let longestDelay: Double
    private var sessions: RecentTable<String, Session>
    /// The number of readings whose time was converted.
    private(set) var corrected = 0

    /// - Parameter cut: has the settings of clocks, and the limits of sessions and delays.
    package init(_ cut: MomentCutter.Configuration) {
        configuration = cut.clocks
        sessions = RecentTable(capacity: cut.maximumSessions)
        longestDelay = cut.doubtfulJump
    }

    /// The session's time of a stamp that arrives now, in nanoseconds.
    /// - Parameter arrived: nanoseconds on the host's monotonic clock.
    package func time(of stamp: Stamp, session name: String, arrived: Int64) -> Int64 {
        guard configuration.corrects, !stamp.clock.isEmpty, let session = sessions[name], session.own != stamp.clock,
            let own = session.ownClock?.envelope.line(at: session.x(arrived))
        else { return stamp.time }
        let delay = session.y(stamp.time, arrived)
        let other = session[stamp.clock].flatMap { value(of: $0, at: session.x(arrived), stamp, delay) } ?? delay
        return stamp.time.clampedAdding(Int64(nanosecondsIn: other - own.value, rounded: .toNearestOrAwayFromZero))
    }

    /// The clock's least delay; nil where a reading shows that the clock has been set.
    private func value(of clock: Clock, at x: Double, _ stamp: Stamp, _ delay: Double) -> Double? {
        guard let line = clock.envelope.line(at: x)?.value, delay >= line - configuration.step else { return nil }
        return delay <= line + (stamp.epoch > clock.epoch ? configuration.step : longestDelay) ? line : nil
    }

    /// Updates the estimates with a stamp whose time was accepted.
    package mutating func note(_ stamp: Stamp, session name: String, arrived: Int64) {
        guard configuration.corrects, !stamp.clock.isEmpty else { return }
        var session =
            sessions[name]
            ?? Session(
                own: stamp.clock, origin: (stamp.time, arrived), others: RecentTable(capacity: configuration.maximumClocks - 1))
        let (x, y) = (session.x(arrived), session.y(stamp.time, arrived))
        var clock = session[stamp.clock] ?? fresh()
        if value(of: clock, at: x, stamp, y) == nil { clock = fresh() }
        clock.envelope.add(x: x, y: y)
        clock.epoch = max(clock.epoch, stamp.epoch)
        session[stamp.clock] = clock
        if stamp.clock != session.own { corrected += 1 }
        sessions[name] = session
    }

    /// Seconds that a clock is ahead of the session's, and its drift in parts per million; nil while one of the clocks is unknown.
    func difference(of clock: String, session name: String, at arrived: Int64) -> (offset: Double, drift: Double)? {
        guard let session = sessions[name], let own = session.ownClock?.envelope.line(at: session.x(arrived)),
            let other = session[clock]?.envelope.line(at: session.x(arrived))
        else { return nil }
        return (own.value - other.value, 1e6 * (own.slope - other.slope))
    }

    /// The gauges for a status: offset and drift by clock, of the session seen last.
    package func gauges(at arrived: Int64) -> [String: Double] {
        guard let (name, session) = sessions.newest else { return [:] }
        var gauges: [String: Double] = corrected > 0 ? ["clockCorrected": Double(corrected)] : [:]
        for (clock, _) in session.others {
            guard let (offset, drift) = difference(of: clock, session: name, at: arrived) else { continue }
            gauges["clockOffset.\(clock.prefix(64))"] = offset
            gauges["clockDrift.\(clock.prefix(64))"] = drift
        }
        return gauges
    }

    private func fresh() -> Clock {
        Clock(envelope: LowerEnvelope(bucket: configuration.span, capacity: configuration.spans, steepest: Self.greatestDrift))
    }

    /// The greatest drift that is estimated: no working clock gains or loses more than a thousandth against another.
    private static let greatestDrift = 0.001
}
