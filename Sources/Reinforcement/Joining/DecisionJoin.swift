import Statistics

/// Joins feedback to decisions: every decision is settled once, with the first reward that cites it within a time window, or with a
/// default reward if there is none.
///
/// If decisions wait for the next one of their session (`waitsForNext`), those of a session settle in the order in which they were made;
/// else each settles when its feedback arrives. Times are in nanoseconds.
public struct DecisionJoin: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// How long a decision waits for its feedback, in nanoseconds.
        public var window: Int64 = 30_000_000_000
        /// The reward of a decision without feedback.
        public var defaultReward = 0.0
        /// The maximum number of open decisions of all sessions.
        public var maximumOpen = 4096
        /// The maximum number of settled decisions that are kept to recognise duplicate and late feedback.
        public var maximumRemembered = 65_536
        /// Whether a decision also waits for the next decision of its session, unless its episode ends with it.
        public var waitsForNext = true

        public init() {}
    }

    /// A decision that waits for feedback.
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
    public struct Feedback: Sendable, Equatable {
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

    /// How an episode ended: in a terminal state, or by truncation.
    public enum Ending: Sendable { case terminal, truncated }

    /// A decision with its reward, and the next decision of its session if it is known.
    public struct Settled: Sendable, Equatable {
        public var made: Made
        public var reward: Double
        /// Whether the reward comes from feedback; otherwise it is the default.
        public var hasFeedback: Bool
        public var ending: Ending?
        public var next: Made?
    }

    /// Why a decision or feedback is rejected.
    public enum Refusal: String, Error, Sendable, CaseIterable {
        case orphanFeedback, lateFeedback, duplicateFeedback, forgedFeedback, overflow
    }

    private struct Open: Sendable {
        var made: Made
        var since: Int64
        var feedback: (reward: Double, ending: Ending?)?
        /// Whether the window closed before any feedback arrived.
        var isOverdue = false
        var isDone: Bool { feedback != nil || isOverdue }
    }

    private enum State: Sendable { case open, settled, overdue }

    private let configuration: Configuration
    private var sessions: [String: [Open]] = [:]
    private var known: [DecisionID: (session: String, state: State)] = [:]
    /// The newest decision of each place: feedback that cites a known place with a wrong secret is forged.
    private var places: [DecisionID.Place: DecisionID] = [:]
    /// The decisions that are kept after they settled.
    private var remembered: RecentTable<DecisionID, Void>
    public private(set) var open = 0

    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        remembered = RecentTable(capacity: configuration.maximumRemembered)
    }

    /// Adds a decision.
    /// - Returns: nil, or the reason why it is rejected.
    public mutating func insert(_ made: Made, at now: Int64) -> Refusal? {
        guard open < configuration.maximumOpen else { return .overflow }
        guard known[made.id] == nil else { return .duplicateFeedback }
        sessions[made.session, default: []].append(Open(made: made, since: now))
        known[made.id] = (made.session, .open)
        places[made.id.place] = made.id
        open += 1
        return nil
    }

    /// Adds feedback.
    /// - Returns: nil, or the reason why it is rejected.
    public mutating func insert(_ feedback: Feedback, at now: Int64) -> Refusal? {
        guard let match = known[feedback.id] else { return places[feedback.id.place] == nil ? .orphanFeedback : .forgedFeedback }
        guard match.session == feedback.session else { return .forgedFeedback }
        switch match.state {
        case .settled: return .duplicateFeedback
        case .overdue: return .lateFeedback
        case .open: break
        }
        guard let index = sessions[feedback.session]?.firstIndex(where: { $0.made.id == feedback.id }),
            let since = sessions[feedback.session]?[index].since
        else {
            return .orphanFeedback
        }
        if isOver(since, at: now) {
            close(feedback.session, index)
            return .lateFeedback
        }
        sessions[feedback.session]?[index].feedback = (feedback.reward, feedback.ending)
        known[feedback.id]?.state = .settled
        return nil
    }

    /// Removes and returns the decisions that are settled, those of each session in order.
    public mutating func settle(at now: Int64) -> [Settled] {
        var settled: [Settled] = []
        for name in sessions.keys.sorted() { settled += settle(session: name, at: now) }
        return settled
    }

    /// Removes and returns the settled decisions of one session, in order.
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
            let ending = one.feedback?.ending
            let next = ending == nil && index + 1 < waiting.count ? waiting[index + 1].made : nil
            let waits = configuration.waitsForNext && (!rest.isEmpty || ending == nil && next == nil && !isOver(one.since, at: now))
            if !one.isDone || waits {
                rest.append(one)
            } else {
                settled.append(
                    Settled(
                        made: one.made, reward: one.feedback?.reward ?? configuration.defaultReward, hasFeedback: one.feedback != nil,
                        ending: ending, next: next))
            }
        }
        guard !settled.isEmpty else { return [] }
        open -= settled.count
        sessions[name] = rest.isEmpty ? nil : rest
        for one in settled { remember(one.made.id) }
        return settled
    }

    private mutating func remember(_ id: DecisionID) {
        guard let (old, _) = remembered.set((), for: id) else { return }
        known[old] = nil
        if places[old.place] == old { places[old.place] = nil }
    }
}

/// The identifier by which feedback cites a decision: its place, and a random number known only to subscribers of the decision.
public struct DecisionID: Sendable, Hashable, CustomStringConvertible {
    /// A session, and the index of the decision in it.
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

    /// Parses `session/ordinal/secret`, the secret in hexadecimal; nil if the text has another form.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].utf8.count <= 64, let ordinal = UInt64(parts[1]),
            let secret = UInt64(parts[2], radix: 16)
        else { return nil }
        self.init(session: String(parts[0]), ordinal: ordinal, secret: secret)
    }

    public var description: String { "\(place.session)/\(place.ordinal)/\(String(secret, radix: 16))" }
}
