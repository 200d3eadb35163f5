import Model
import Statistics
import Tensors

/// Divides a stream of labelled moments into tasks: in every session, n moments to adapt to (support), then m to evaluate on (query),
/// repeatedly.
///
///     for await moment in stream {
///         if let adapted = tasks.add(moment, of: session, shared: learner.parameters) { publish(adapted) }
///         learner.learn(moment)
///     }
///
/// A moment is added before the shared model learns from it, and a task is learned with the shared model as it was before the task's
/// first moment, so that adapting is evaluated on moments from which nothing has learned. Tasks in memory are replayed with the current
/// shared model.
public final class SessionTasks {
    /// The result of a session's adaptation.
    public struct Adapted: Sendable {
        public var session: String
        /// The index of the session's adaptation, from 1.
        public var revision: UInt64
        public var adaptation: PersonalLearner.Adaptation
        /// Whether it was adapted to moments of its session's own.
        public var isOwn = false
    }

    private struct Session {
        var support: [MomentInput] = [], query: [MomentInput] = []
        /// The shared model before the first moment of the task.
        var shared: ParameterStore<Float>?
        var offsets: PersonalLearner.Offsets?
        /// The summed gain of `offsets` over the query.
        var gain = 0.0
        /// The value of `count` at the session's last moment.
        var lastMoment = 0
        var revision: UInt64 = 0
    }

    /// What a session keeps for itself.
    private struct Own {
        var support: [MomentInput] = []
        var revision: UInt64 = 0
    }

    public let learner: PersonalLearner
    /// Decides whether adapters are published.
    public var gain: PersonalGain
    private var sessions: RecentTable<String, Session>
    /// Sessions with moments of their own.
    private var owned: RecentTable<String, Own>
    /// The number of labelled moments added.
    private var count = 0
    private var memory: TaskMemory
    /// Stores of tasks that have ended, for reuse.
    private var spare: [ParameterStore<Float>] = []
    /// The number of sessions removed because they were inactive for too long, or because there were too many.
    public private(set) var expired = 0
    private var released: [String] = []
    /// The number of adaptations discarded because they were not finite.
    public private(set) var failed = 0

    public init(_ learner: PersonalLearner) {
        self.learner = learner
        sessions = RecentTable(capacity: learner.configuration.maximumSessions)
        owned = RecentTable(capacity: learner.configuration.maximumSessions)
        gain = PersonalGain(capacity: learner.configuration.proof)
        memory = TaskMemory(capacity: learner.configuration.memory)
    }

    /// Adds a moment that its session alone may learn from: when it has enough of them it adapts to them, and nothing is left of them.
    /// What other sessions learn, and what sessions begin with, is the same as without it.
    /// - Parameters: as of `add`.
    /// - Returns: the session's offsets if it has just adapted and adapters are trusted; else nil.
    public func adaptAlone(
        to moment: MomentInput, of name: String, shared: ParameterStore<Float>, goesOn: () -> Bool = { true }
    ) -> Adapted? {
        guard moment.label != nil else { return nil }
        var own = owned[name] ?? Own()
        own.support.append(moment)
        defer { if let forgotten = owned.set(own, for: name) { released.append(forgotten.key) } }
        guard own.support.count == learner.configuration.support else { return nil }
        let adaptation = learner.adapt(own.support, from: shared, goesOn: goesOn)
        own.support = []
        guard adaptation.offsets.allSatisfy(\.isFinite), gain.isTrusted else { return nil }
        own.revision = max(own.revision, sessions[name]?.revision ?? 0) + 1
        return Adapted(session: name, revision: own.revision, adaptation: adaptation, isOwn: true)
    }

    /// Adds a moment; without a label it is ignored.
    /// - Parameters:
    ///   - moment: the moment.
    ///   - name: the name of its session.
    ///   - shared: the parameters of the shared model, which has not yet learned from the moment.
    ///   - goesOn: called after each step of adapting, which ends when it returns false.
    /// - Returns: the session's offsets if it has just adapted and adapters are trusted; else nil.
    public func add(
        _ moment: MomentInput, of name: String, shared: ParameterStore<Float>, goesOn: () -> Bool = { true }
    ) -> Adapted? {
        guard moment.label != nil else { return nil }
        count += 1
        expire(except: name)
        replay(shared)
        var session = sessions[name] ?? Session()
        defer { sessions[name] = session }
        session.lastMoment = count
        if session.support.isEmpty {
            let kept = spare.popLast() ?? ParameterStore(shared.layout)
            kept.assign(from: shared)
            session.shared = kept
        }
        guard session.support.count == learner.configuration.support else {
            session.support.append(moment)
            guard session.support.count == learner.configuration.support else { return nil }
            return adapt(name, &session, shared, goesOn)
        }
        if let offsets = session.offsets { session.gain += learner.gain(of: offsets, over: shared, on: moment) }
        session.query.append(moment)
        if session.query.count == learner.configuration.query { learn(&session, of: name) }
        return nil
    }

    /// Discards the moments and the tasks of a session, and its adapters, which are withdrawn.
    public func discard(_ name: String) {
        memory.forget(name)
        let hasOwn = owned.remove(name) != nil
        guard let session = sessions.remove(name) else {
            if hasOwn { released.append(name) }
            return
        }
        if let shared = session.shared { spare.append(shared) }
        released.append(name)
    }

    /// Discards all sessions, and what was learned of them: the state is that before the first moment.
    public func reset() {
        for name in Set(sessions.map(\.key) + owned.map(\.key)).sorted() { discard(name) }
        learner.reset()
        memory = TaskMemory(capacity: learner.configuration.memory)
        gain = PersonalGain(capacity: learner.configuration.proof)
        (count, expired, failed) = (0, 0, 0)
    }

    /// Removes and returns the names of the sessions whose adapters have been withdrawn since the last call.
    public func takeReleased() -> [String] {
        defer { released = [] }
        return released
    }

    private func adapt(_ name: String, _ session: inout Session, _ shared: ParameterStore<Float>, _ goesOn: () -> Bool) -> Adapted? {
        let adaptation = learner.adapt(session.support, from: shared, goesOn: goesOn)
        guard adaptation.offsets.allSatisfy(\.isFinite) else {
            failed += 1
            return nil
        }
        session.offsets = adaptation.offsets
        guard gain.isTrusted else { return nil }
        session.revision = max(session.revision, owned[name]?.revision ?? 0) + 1
        return Adapted(session: name, revision: session.revision, adaptation: adaptation)
    }

    private func learn(_ session: inout Session, of name: String) {
        if let shared = session.shared {
            let episode = Episode(support: session.support, query: session.query)
            learner.learn(episode, from: shared)
            memory.add(episode, of: name)
            spare.append(shared)
        }
        if session.offsets != nil { updateGain(Float(session.gain) / Float(session.query.count)) }
        (session.support, session.query, session.shared, session.offsets, session.gain) = ([], [], nil, nil, 0)
    }

    /// Adds the gain of a task, and withdraws all adapters if they are no longer trusted.
    private func updateGain(_ taskGain: Float) {
        let wasTrusted = gain.isTrusted
        gain.add(taskGain)
        if wasTrusted, !gain.isTrusted { released += Set(sessions.map(\.key) + owned.map(\.key)).sorted() }
    }

    private func replay(_ shared: ParameterStore<Float>) {
        for _ in 0..<learner.configuration.replayed {
            guard let task = memory.draw() else { return }
            learner.learn(task, from: shared)
        }
    }

    private func expire(except name: String) {
        var inactive = sessions.filter { $0.key != name && count - $0.value.lastMoment > learner.configuration.expiry }.map(\.key).sorted()
        if inactive.isEmpty, sessions.isFull, sessions[name] == nil, let oldest = sessions.oldest?.key { inactive = [oldest] }
        for name in inactive {
            if let shared = sessions.remove(name)?.shared { spare.append(shared) }
            expired += 1
            released.append(name)
        }
    }
}
