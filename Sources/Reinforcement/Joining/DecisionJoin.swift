import Statistics

/// What became known, joined to the decision that it is for: every decision is used at most once, with the first reward that cites it in
/// time, or with a default when none does.
///
/// Where what follows a decision belongs to it, those of a session settle in the order in which they were made; else each when its feedback is there.
/// Times are nanoseconds.
public struct DecisionJoin: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// How long a decision waits for its feedback.
        public var window: Int64 = 30_000_000_000
        /// The reward of a decision whose feedback did not come.
        public var defaultReward = 0.0
        /// Decisions waiting, over all sessions.
        public var maximumOpen = 4096
        /// Settled decisions remembered, so that feedback that comes again or too late is known as such.
        public var maximumRemembered = 65_536
        /// Whether a decision waits for the next of its session too, unless its episode ends with it.
        public var waitsForNext = true

        public init() {}
    }

    /// A decision as it came.
    public struct Made: Sendable, Equatable {
        public var id: DecisionID
        public var session: String
        public var version: UInt64
        public var observation: [Float]
        public var decision: Decision

        public init(id: DecisionID, session: String, version: UInt64, observation: [Float], decision: Decision) {
            self.id = id
            self.session = session
            self.version = version
            self.observation = observation
            self.decision = decision
        }
    }

    /// Feedback that cites a decision.
    public struct Told: Sendable, Equatable {
        public var id: DecisionID
        public var session: String
        public var reward: Double
        public var ending: Ending?

        public init(id: DecisionID, session: String, reward: Double, ending: Ending? = nil) {
            self.id = id
            self.session = session
            self.reward = reward
            self.ending = ending
        }
    }

    public enum Ending: Sendable { case terminal, truncated }

    /// A decision with its reward, and what was observed and decided next where that is known.
    public struct Settled: Sendable, Equatable {
        public var made: Made
        public var reward: Double
        public var wasTold: Bool
        public var ending: Ending?
        public var next: Made?
    }

    /// Why a decision or feedback is not taken in.
    public enum Refusal: String, Error, Sendable, CaseIterable {
        case orphanFeedback, lateFeedback, duplicateFeedback, forgedFeedback, overflow
    }

    private struct Open: Sendable {
        var made: Made
        var since: Int64
        var told: (reward: Double, ending: Ending?)?
        /// The window closed before any feedback came.
        var isOverdue = false
        var isDone: Bool { told != nil || isOverdue }
    }

    private enum State: Sendable { case open, told, overdue }

    private let configuration: Configuration
    private var sessions: [String: [Open]] = [:]
    private var known: [DecisionID: (session: String, state: State)] = [:]
    /// The newest decision of each place: who cites the place and not the decision has guessed.
    private var places: [DecisionID.Place: DecisionID] = [:]
    private var settledOrder: [DecisionID] = []
    public private(set) var open = 0

    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// Takes a decision in.
    public mutating func insert(_ made: Made, at now: Int64) -> Refusal? {
        guard open < configuration.maximumOpen else { return .overflow }
        guard known[made.id] == nil else { return .duplicateFeedback }
        sessions[made.session, default: []].append(Open(made: made, since: now))
        known[made.id] = (made.session, .open)
        places[made.id.place] = made.id
        open += 1
        return nil
    }

    /// Takes feedback in.
    public mutating func insert(_ told: Told, at now: Int64) -> Refusal? {
        guard let match = known[told.id] else { return places[told.id.place] == nil ? .orphanFeedback : .forgedFeedback }
        guard match.session == told.session else { return .forgedFeedback }
        switch match.state {
        case .told: return .duplicateFeedback
        case .overdue: return .lateFeedback
        case .open: break
        }
        guard let index = sessions[told.session]?.firstIndex(where: { $0.made.id == told.id }),
            let since = sessions[told.session]?[index].since
        else {
            return .orphanFeedback
        }
        if isOver(since, at: now) {
            close(told.session, index)
            return .lateFeedback
        }
        sessions[told.session]?[index].told = (told.reward, told.ending)
        known[told.id]?.state = .told
        return nil
    }

    /// The decisions that are settled by now, those of one session in order.
    public mutating func settle(at now: Int64) -> [Settled] {
        var settled: [Settled] = []
        for name in sessions.keys.sorted() { settled += settle(session: name, at: now) }
        return settled
    }

    /// The same for one session.
    public mutating func settle(session name: String, at now: Int64) -> [Settled] {
        closeOverdue(name, at: now)
        return takeSettled(name, at: now)
    }

    private mutating func closeOverdue(_ name: String, at now: Int64) {
        for (index, one) in (sessions[name] ?? []).enumerated() {
            guard isOver(one.since, at: now) else { break }
            if !one.isDone { close(name, index) }
        }
    }

    private mutating func close(_ name: String, _ index: Int) {
        guard let id = sessions[name]?[index].made.id else { return }
        sessions[name]?[index].isOverdue = true
        known[id]?.state = .overdue
    }

    private func isOver(_ since: Int64, at now: Int64) -> Bool { now.clampedSubtracting(since) > configuration.window }

    private mutating func takeSettled(_ name: String, at now: Int64) -> [Settled] {
        guard let waiting = sessions[name] else { return [] }
        var settled: [Settled] = [], rest: [Open] = []
        for (index, one) in waiting.enumerated() {
            let ending = one.told?.ending
            let next = ending == nil && index + 1 < waiting.count ? waiting[index + 1].made : nil
            let isPatient = configuration.waitsForNext && (!rest.isEmpty || ending == nil && next == nil && !isOver(one.since, at: now))
            if !one.isDone || isPatient {
                rest.append(one)
            } else {
                settled.append(
                    Settled(
                        made: one.made, reward: one.told?.reward ?? configuration.defaultReward, wasTold: one.told != nil, ending: ending,
                        next: next))
            }
        }
        guard !settled.isEmpty else { return [] }
        open -= settled.count
        sessions[name] = rest.isEmpty ? nil : rest
        for one in settled { remember(one.made.id) }
        return settled
    }

    private mutating func remember(_ id: DecisionID) {
        settledOrder.append(id)
        // In halves, so that forgetting costs little.
        guard settledOrder.count > configuration.maximumRemembered else { return }
        let half = settledOrder.count / 2
        for old in settledOrder[..<half] {
            known[old] = nil
            if places[old.place] == old { places[old.place] = nil }
        }
        settledOrder.removeFirst(half)
    }
}

/// What feedback cites: where the decision stands, and a number that nobody can guess who has not heard it.
public struct DecisionID: Sendable, Hashable, CustomStringConvertible {
    public struct Place: Sendable, Hashable {
        public let session: String
        public let ordinal: UInt64
    }

    public let place: Place
    public let secret: UInt64

    public init(session: String, ordinal: UInt64, secret: UInt64) {
        place = Place(session: session, ordinal: ordinal)
        self.secret = secret
    }

    /// - Returns: nil where the text is no such id.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].utf8.count <= 64, let ordinal = UInt64(parts[1]),
            let secret = UInt64(parts[2], radix: 16)
        else { return nil }
        self.init(session: String(parts[0]), ordinal: ordinal, secret: secret)
    }

    public var description: String { "\(place.session)/\(place.ordinal)/\(String(secret, radix: 16))" }
}
