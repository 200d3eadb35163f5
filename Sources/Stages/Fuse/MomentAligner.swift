import Schema

/// Aligns feature frames in event time and closes moments at the boundaries that ingest marked.
///
/// Every extract process repeats each boundary after the frames that came before it, so a boundary heard from all modalities is complete as
/// far as the graph is concerned. In live use a moment then still waits for publishers that have not passed its end, at most the configured
/// lateness; in lockstep it waits for the modalities alone, and for as long as it takes. Moments close in the order of their boundaries.
public struct MomentAligner: Sendable {
    public struct Configuration: Codable, Sendable, Equatable {
        /// The longest that a moment waits, after what ended it arrived, for readings still on their way, in seconds.
        public var lateness = 0.01
        /// Feature frames kept of one modality of one session; the oldest make room.
        public var maximumFrames = 256
        /// Moments waiting to be closed.
        public var maximumPending = 1024
        /// Sessions remembered at once.
        public var maximumSessions = 256
        /// Sources of one session remembered at once.
        public var maximumSources = 64
        /// A source that was silent for this long, in seconds, is no longer waited for.
        public var sourceTimeout = 1.0

        public init() {}
    }

    /// A frame with its features, row by row.
    public struct Arrival: Sendable, Equatable {
        public var frame: Frame
        public var values: [Float]

        public init(frame: Frame, values: [Float]) {
            self.frame = frame
            self.values = values
        }
    }

    /// What lies between two boundaries of a session: its frames by modality, in event time.
    public struct Slice: Sendable, Equatable {
        public var boundary: Boundary
        public var start: Int64
        public var frames: [String: [Arrival]]
    }

    public enum Refusal: String, Error, Sendable, CaseIterable {
        case late, duplicate, overflow, unknownModality, staleBoundary
    }

    private struct Source: Sendable {
        var newest: Int64
        var heard: Int64
    }

    private struct Session: Sendable {
        var start: Int64?
        var frames: [String: [Arrival]] = [:]
        var sources: [String: Source] = [:]
        var heard: Int64 = 0
    }

    private struct Pending: Sendable {
        var boundary: Boundary
        var confirmed: Set<String>
        var heard: Int64
    }

    private let configuration: Configuration
    private let modalities: [String]
    private let waitsForAll: Bool
    private var sessions: [String: Session] = [:]
    private var pending: [Pending] = []
    private var epoch: UInt64 = 0
    /// Ordinal of the newest boundary whose moment is closed.
    public private(set) var closed: UInt64 = 0
    /// Frames that came out of order within their source, and frames newer than a moment that still waits: used, and counted here.
    public private(set) var outOfOrder = 0, early = 0

    /// - Parameters:
    ///   - modalities: those that confirm a boundary.
    ///   - waitsForAll: lockstep: a moment closes when every modality confirmed its boundary, and never before.
    public init(_ configuration: Configuration, modalities: [String], waitsForAll: Bool) {
        self.configuration = configuration
        self.modalities = modalities
        self.waitsForAll = waitsForAll
    }

    /// Takes a frame in.
    public mutating func insert(_ arrival: Arrival, at now: Int64) -> Refusal? {
        let frame = arrival.frame
        guard modalities.contains(frame.modality) else { return .unknownModality }
        var session = sessions[frame.session] ?? Session()
        defer { keep(session, as: frame.session) }
        session.heard = now
        let newest = session.sources[frame.source]?.newest ?? .min
        session.sources[frame.source] = Source(newest: max(newest, frame.time), heard: now)
        if session.sources.count > configuration.maximumSources, let oldest = session.sources.min(by: { $0.value.heard < $1.value.heard })?.key {
            session.sources[oldest] = nil
        }
        if let start = session.start, frame.time <= start { return .late }
        if frame.time < newest { outOfOrder += 1 }
        if pending.contains(where: { $0.boundary.session == frame.session && $0.boundary.end < frame.time }) { early += 1 }

        var frames = session.frames[frame.modality] ?? []
        if frames.contains(where: { $0.frame.source == frame.source && $0.frame.sequence == frame.sequence && $0.frame.time == frame.time }) {
            return .duplicate
        }
        let place = frames.lastIndex { ($0.frame.time, $0.frame.source, $0.frame.sequence) <= (frame.time, frame.source, frame.sequence) }
        frames.insert(arrival, at: place.map { $0 + 1 } ?? 0)
        let isFull = frames.count > configuration.maximumFrames
        if isFull { frames.removeFirst() }
        session.frames[frame.modality] = frames
        return isFull ? .overflow : nil
    }

    /// Notes that `modality` has passed `boundary`.
    public mutating func insert(_ boundary: Boundary, from modality: String, at now: Int64) -> Refusal? {
        guard modalities.contains(modality) else { return .unknownModality }
        if boundary.epoch < epoch { return .staleBoundary }
        if boundary.epoch > epoch {
            epoch = boundary.epoch
            closed = 0
            pending.removeAll()
        }
        if let index = pending.firstIndex(where: { $0.boundary.ordinal == boundary.ordinal }) {
            pending[index].confirmed.insert(modality)
            return nil
        }
        if boundary.ordinal <= closed { return waitsForAll ? .staleBoundary : nil }
        guard pending.count < configuration.maximumPending else { return .overflow }
        let place = pending.firstIndex { $0.boundary.ordinal > boundary.ordinal } ?? pending.endIndex
        pending.insert(Pending(boundary: boundary, confirmed: [modality], heard: now), at: place)
        return nil
    }

    /// The next moment that is complete or has waited long enough, or nil.
    /// - Parameter feedback: feedback messages heard so far; in lockstep a moment waits for all that came before it.
    public mutating func close(at now: Int64, feedback: UInt64) -> Slice? {
        guard let first = pending.first, isReady(first, at: now, feedback: feedback) else { return nil }
        pending.removeFirst()
        closed = first.boundary.ordinal
        return slice(first.boundary)
    }

    private func isReady(_ moment: Pending, at now: Int64, feedback: UInt64) -> Bool {
        let hasAll = moment.confirmed.count == modalities.count
        if waitsForAll { return hasAll && moment.boundary.ordinal == closed + 1 && feedback >= moment.boundary.feedback }
        if now - moment.heard >= Int64(configuration.lateness * 1e9) { return true }
        guard hasAll else { return false }
        let timeout = Int64(configuration.sourceTimeout * 1e9)
        let sources = sessions[moment.boundary.session]?.sources.values.filter { now - $0.heard <= timeout } ?? []
        return sources.allSatisfy { $0.newest >= moment.boundary.end }
    }

    private mutating func slice(_ boundary: Boundary) -> Slice {
        var session = sessions[boundary.session] ?? Session()
        defer { keep(session, as: boundary.session) }
        let taken = session.frames.mapValues { $0.filter { $0.frame.time <= boundary.end } }
        session.frames = session.frames.mapValues { $0.filter { $0.frame.time > boundary.end } }
        let times = taken.values.flatMap { $0.map(\.frame.time) }
        let start = session.start ?? times.min() ?? boundary.end
        session.start = boundary.end
        return Slice(boundary: boundary, start: start, frames: taken.filter { !$0.value.isEmpty })
    }

    private mutating func keep(_ session: Session, as name: String) {
        if sessions[name] == nil, sessions.count >= configuration.maximumSessions,
           let oldest = sessions.min(by: { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) })?.key {
            sessions[oldest] = nil
        }
        sessions[name] = session
    }
}
