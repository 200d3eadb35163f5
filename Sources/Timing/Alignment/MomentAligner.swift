import Schema
import Statistics

/// Aligns feature frames in event time and closes moments at the boundaries that ingest marked, each modality by its own rule.
///
/// Every extract process repeats each boundary after the frames that came before it, so a boundary received from all modalities is complete
/// as far as the graph is concerned. In live mode a moment waits for the processes that still work at most for `extraction`, and for
/// sources that have not passed its end at most for the lateness of their modality. In lockstep it waits for the modalities alone, without a limit, and frames that a modality sends after a
/// boundary are not used before it, so that equal streams give equal moments. Moments close in the order of their boundaries.
public struct MomentAligner: Sendable {

    /// Its settings are fuse's.
    public typealias Configuration = FuseSettings

    /// A frame with its features, row by row.
    public struct Arrival: Sendable, Equatable {
        /// The frame's header, with source, sequence and time.
        public var frame: Frame
        /// (rows · columns) features.
        public var values: [Float]
        /// Ordinal of the reading in ingest's journal; 0 without one.
        public var reading: UInt64
        /// Ordinal of the newest boundary that the modality had sent before it.
        var boundary: UInt64 = 0

        public init(frame: Frame, values: [Float], reading: UInt64 = 0) {
            self.frame = frame
            self.values = values
            self.reading = reading
        }
    }

    /// The aligned frames of a session at a boundary: by modality, in event time.
    public struct Slice: Sendable, Equatable {
        /// The boundary that ends the moment.
        public var boundary: Boundary
        /// The moment's start in session time, nanoseconds.
        public var start: Int64
        /// The chosen frames by modality; none for a modality that is absent.
        public var frames: [String: [Arrival]]
        /// Ordinals in ingest's journal of all readings that lie in the moment, whether or not their frames were chosen.
        public var readings: [UInt64] = []
    }

    /// Why a frame or a boundary is not accepted.
    public enum Refusal: String, Error, Sendable, CaseIterable {
        case late, duplicate, overflow, unknownModality, staleBoundary
    }

    private struct Source: Sendable {
        var modality: String
        var newest: Int64
        var lastSeen: Int64
    }

    private struct Session: Sendable {
        var start: Int64?
        var frames: [String: [Arrival]] = [:]
        /// The latest frame of each modality that lies within a closed moment.
        var held: [String: Arrival] = [:]
        /// The newest boundary that each modality has sent.
        var passed: [String: (ordinal: UInt64, end: Int64)] = [:]
        var sources: RecentTable<String, Source>
    }

    private struct Pending: Sendable {
        var boundary: Boundary
        var confirmed: Set<String>
        var arrived: Int64
        /// Ordinal in ingest's journal of the record that the boundary came with; 0 without one.
        var record: UInt64
    }

    /// The readings of ingest's journal: which modalities confirm boundaries however long it takes, and how long, in nanoseconds.
    public struct Journaled: Sendable {
        public var modalities: [String]
        public var patience: Int64

        public init(modalities: [String], patience: Int64) { (self.modalities, self.patience) = (modalities, patience) }
    }

    private let configuration: Configuration
    private let modalities: [String]
    private let rules: [String: Alignment]
    private let waitsForAll: Bool
    private let journaled: Journaled?
    private var sessions: RecentTable<String, Session>
    private var pending: [Pending] = []
    /// When each modality's extractor was last heard of.
    private var heard: [String: Int64] = [:]
    /// Epoch of ingest in the newest boundary; with a journal, in the newest whose moment is closed.
    public private(set) var epoch: UInt64 = 0
    /// Ordinal of the newest boundary whose moment is closed.
    public private(set) var closed: UInt64 = 0
    /// Readings of ingest's journal that were dropped for others.
    private var dropped: [UInt64] = []
    /// The number of frames that arrived out of order within their source, and of frames newer than a waiting moment; both are used.
    public private(set) var outOfOrder = 0, early = 0

    /// - Parameters:
    ///   - modalities: those that confirm a boundary.
    ///   - policies: by modality, the name of the policy where no rule gives one; others are concatenated.
    ///   - waitsForAll: lockstep: a moment closes when every modality has confirmed its boundary, and never before.
    ///   - journaled: live: where boundaries come with ordinals of a journal, what waits for them; nil: they have none.
    public init(
        _ configuration: Configuration, modalities: [String], policies: [String: String] = [:], waitsForAll: Bool,
        journaled: Journaled? = nil
    ) {
        self.configuration = configuration
        self.modalities = modalities
        rules = Dictionary(uniqueKeysWithValues: modalities.map { ($0, Alignment($0, configuration, ownPolicy: policies[$0])) })
        self.waitsForAll = waitsForAll
        self.journaled = waitsForAll ? nil : journaled
        sessions = RecentTable(capacity: configuration.maximumSessions)
    }

    /// Inserts a frame that arrives at `now`, in nanoseconds.
    /// - Returns: why it is not accepted, or for `overflow` that the oldest frame was dropped for it; nil otherwise.
    public mutating func insert(_ arrival: Arrival, at now: Int64) -> Refusal? {
        let frame = arrival.frame
        guard modalities.contains(frame.modality) else { return .unknownModality }
        heard[frame.modality] = now
        let name = key(frame.session, frame.timeline)
        var session = session(name)
        defer { keep(session, as: name) }
        let source = "\(frame.modality).\(frame.source)"
        let newest = session.sources[source]?.newest ?? .min
        session.sources[source] = Source(modality: frame.modality, newest: max(newest, frame.time), lastSeen: now)
        if let start = session.start, frame.time <= start { return .late }
        let passed = session.passed[frame.modality]
        if waitsForAll, let passed, frame.time <= passed.end { return .late }
        if frame.time < newest { outOfOrder += 1 }
        if pending.contains(where: {
            $0.boundary.session == frame.session && $0.boundary.timeline == frame.timeline && $0.boundary.end < frame.time
        }) {
            early += 1
        }

        var frames = session.frames[frame.modality] ?? []
        if frames.contains(where: { $0.frame.source == frame.source && $0.frame.sequence == frame.sequence && $0.frame.time == frame.time })
        {
            return .duplicate
        }
        let place = frames.lastIndex { ($0.frame.time, $0.frame.source, $0.frame.sequence) <= (frame.time, frame.source, frame.sequence) }
        var arrival = arrival
        arrival.boundary = passed?.ordinal ?? 0
        frames.insert(arrival, at: place.map { $0 + 1 } ?? 0)
        let isFull = makeRoom(in: &frames, boundary: arrival.boundary)
        session.frames[frame.modality] = frames
        return isFull ? .overflow : nil
    }

    /// Whether a frame is taken without another being dropped for it. Where its modality has passed the end of a moment of its session that
    /// waits, there will be room as soon as that is closed. A moment that alone has too many frames loses its oldest: there is room.
    public func hasRoom(for frame: Frame) -> Bool {
        let waiting = sessions[key(frame.session, frame.timeline)]?.frames[frame.modality]?.count ?? 0
        return waiting < configuration.maximumFrames
            || !pending.contains {
                $0.boundary.session == frame.session && $0.boundary.timeline == frame.timeline && $0.confirmed.contains(frame.modality)
            }
    }

    /// Whether a boundary is taken: it waits already, or fewer wait than may.
    public func hasRoom(for boundary: Boundary) -> Bool {
        pending.count < configuration.maximumPending
            || pending.contains { ($0.boundary.epoch, $0.boundary.ordinal) == (boundary.epoch, boundary.ordinal) }
    }

    /// Drops the oldest frame where there are too many. In lockstep the frames between two boundaries are counted, so that the result does
    /// not depend on the progress of moments.
    private mutating func makeRoom(in frames: inout [Arrival], boundary: UInt64) -> Bool {
        guard frames.count > configuration.maximumFrames else { return false }
        guard waitsForAll else {
            drop(frames.removeFirst())
            return true
        }
        let own = frames.indices.filter { frames[$0].boundary == boundary }
        guard own.count > configuration.maximumFrames else { return false }
        frames.remove(at: own[0])
        return true
    }

    /// Readings of ingest's journal that were dropped since the last call, because as many waited as may.
    public mutating func takeDropped() -> [UInt64] {
        defer { dropped = [] }
        return dropped
    }

    private mutating func drop(_ arrival: Arrival) {
        if arrival.reading > 0 { dropped.append(arrival.reading) }
    }

    private mutating func keep(_ session: Session, as name: String) {
        guard let forgotten = sessions.set(session, for: name)?.value else { return }
        for frame in forgotten.frames.values.joined() { drop(frame) }
    }

    /// Goes on where the newest boundary whose moment was closed is known from a journal.
    public mutating func restore(epoch: UInt64, closed: UInt64) { (self.epoch, self.closed) = (epoch, closed) }

    /// Whether a boundary's moment is closed, or would have to be before one that is.
    public func isClosed(_ boundary: UInt64, of boundaryEpoch: UInt64) -> Bool { (boundaryEpoch, boundary) <= (epoch, closed) }

    /// Records that `modality` has passed `boundary`.
    /// - Parameter record: the record of ingest's journal that it came with; 0 without a journal.
    /// - Returns: why the boundary is not accepted; nil where it is.
    public mutating func insert(_ boundary: Boundary, from modality: String, record: UInt64 = 0, at now: Int64) -> Refusal? {
        guard modalities.contains(modality) else { return .unknownModality }
        heard[modality] = now
        if journaled != nil {
            // The journal's order holds across restarts of ingest: what came before one is still closed in its turn.
            if isClosed(boundary.ordinal, of: boundary.epoch) { return nil }
            return wait(for: boundary, modality, record, at: now)
        }
        if boundary.epoch < epoch { return .staleBoundary }
        if boundary.epoch > epoch {
            epoch = boundary.epoch
            closed = 0
            pending.removeAll()
            sessions.updateAll { $0.passed = [:] }
        }
        let name = key(boundary.session, boundary.timeline)
        sessions.update(name) { session in
            session.passed[modality] = (boundary.ordinal, max(boundary.end, session.passed[modality]?.end ?? .min))
        }
        if boundary.ordinal <= closed { return waitsForAll ? .staleBoundary : nil }
        return wait(for: boundary, modality, record, at: now)
    }

    private mutating func wait(for boundary: Boundary, _ modality: String, _ record: UInt64, at now: Int64) -> Refusal? {
        let place = (boundary.epoch, boundary.ordinal)
        if let index = pending.firstIndex(where: { ($0.boundary.epoch, $0.boundary.ordinal) == place }) {
            pending[index].confirmed.insert(modality)
            return nil
        }
        guard pending.count < configuration.maximumPending else { return .overflow }
        let index = pending.firstIndex { ($0.boundary.epoch, $0.boundary.ordinal) > place } ?? pending.endIndex
        pending.insert(Pending(boundary: boundary, confirmed: [modality], arrived: now, record: record), at: index)
        return nil
    }

    /// The next moment that is complete or has waited long enough, or nil.
    /// - Parameters:
    ///   - now: in nanoseconds, on the clock of `insert`.
    ///   - feedback: feedback messages received so far; in lockstep a moment waits for all that came before it.
    public mutating func close(at now: Int64, feedback: UInt64) -> Slice? {
        guard let first = pending.first, isReady(first, at: now, feedback: feedback) else { return nil }
        pending.removeFirst()
        (epoch, closed) = (first.boundary.epoch, first.boundary.ordinal)
        return slice(first.boundary)
    }

    private func isReady(_ moment: Pending, at now: Int64, feedback: UInt64) -> Bool {
        let hasAll = moment.confirmed.count == modalities.count
        if waitsForAll { return hasAll && moment.boundary.ordinal == closed.clampedAdding(1) && feedback >= moment.boundary.feedback }
        let waited = now.clampedSubtracting(moment.arrived)
        if let journaled, moment.record > 0, waited < journaled.patience,
            !journaled.modalities.allSatisfy({ moment.confirmed.contains($0) })
        {
            return false
        }
        let timeout = Int64(nanosecondsIn: configuration.sourceTimeout)
        guard hasAll || modalities.allSatisfy({ moment.confirmed.contains($0) || waited >= patience(with: $0, timeout, at: now) })
        else { return false }
        let sources =
            sessions[key(moment.boundary.session, moment.boundary.timeline)]?.sources.map(\.value)
            .filter { now.clampedSubtracting($0.lastSeen) <= timeout } ?? []
        return sources.allSatisfy { source in
            let disorder = rules[source.modality]?.disorder ?? 0
            return source.newest.clampedSubtracting(disorder) >= moment.boundary.end || waited >= lateness(of: source.modality)
        }
    }

    private func lateness(of modality: String) -> Int64 { rules[modality]?.lateness ?? 0 }

    /// How long a moment waits for a modality's extractor. One that was not heard of for a while may have ended.
    private func patience(with modality: String, _ timeout: Int64, at now: Int64) -> Int64 {
        guard let last = heard[modality], now.clampedSubtracting(last) <= timeout else { return lateness(of: modality) }
        return max(lateness(of: modality), Int64(nanosecondsIn: configuration.extraction))
    }

    private mutating func slice(_ boundary: Boundary) -> Slice {
        let name = key(boundary.session, boundary.timeline)
        var session = session(name)
        defer { keep(session, as: name) }
        var chosen: [String: [Arrival]] = [:], times: [Int64] = [], readings: [UInt64] = []
        for (modality, frames) in session.frames {
            let within = frames.filter { $0.frame.time <= boundary.end }, rest = frames.filter { $0.frame.time > boundary.end }
            let beyond = waitsForAll ? rest.filter { $0.boundary < boundary.ordinal } : rest
            chosen[modality] = rules[modality]?.choose(
                from: AlignmentFrames(within: within, beyond: beyond), held: session.held[modality], at: boundary.end)
            times += within.map(\.frame.time)
            readings += within.lazy.map(\.reading).filter { $0 > 0 }
            session.frames[modality] = rest
            if let last = within.last { session.held[modality] = last }
        }
        let start = session.start ?? times.min() ?? boundary.end
        session.start = boundary.end
        return Slice(boundary: boundary, start: start, frames: chosen.filter { !$0.value.isEmpty }, readings: readings.sorted())
    }

    /// The times of two timelines of a session are unrelated, so each has its own state.
    private func key(_ session: String, _ timeline: UInt64) -> String { timeline == 0 ? session : "\(session)/\(timeline)" }

    private func session(_ name: String) -> Session {
        sessions[name] ?? Session(sources: RecentTable(capacity: configuration.maximumSources))
    }
}
