import Model
import Tensors

/// Turns a stream of labelled moments into tasks: of every session, n moments to adapt to, then m that tell how well it went; then again.
///
///     for await moment in stream {
///         if let adapted = tasks.hear(moment, of: session, shared: learner.parameters) { publish(adapted) }
///         learner.learn(moment)
///     }
///
/// A moment is heard before the shared model learns from it, and a task is learned from the shared model as it was before the task's
/// first moment: so the start of sessions is judged on moments that nothing has learned from. A task that is remembered is learned again
/// from the shared model as it is by then.
public final class SessionTasks {
    /// What a session adapted to.
    public struct Adapted: Sendable {
        public var session: String
        /// Counts a session's adaptations, from 1.
        public var revision: UInt64
        public var adaptation: PersonalLearner.Adaptation
    }

    private struct Session {
        var support: [MomentInput] = [], query: [MomentInput] = []
        /// Before the first moment of the task.
        var shared: ParameterStore<Float>?
        var offsets: PersonalLearner.Offsets?
        /// Of the query, by `offsets`.
        var gain = 0.0
        var lastHeard = 0
        var revision: UInt64 = 0
    }

    public let learner: PersonalLearner
    /// Whether adapters are worth sending.
    public var gain: PersonalGain
    private var sessions: [String: Session] = [:]
    private var heard = 0
    private var memory: TaskMemory
    /// Stores of tasks that ended, to be used again.
    private var spare: [ParameterStore<Float>] = []
    /// Sessions let go: silent for too long, or too many at once.
    public private(set) var expired = 0
    private var released: [String] = []
    /// Adaptations that were not finite, and left out.
    public private(set) var failed = 0

    public init(_ learner: PersonalLearner) {
        self.learner = learner
        gain = PersonalGain(capacity: learner.configuration.proof)
        memory = TaskMemory(capacity: learner.configuration.memory)
    }

    /// - Parameter goesOn: asked after each step of adapting.
    /// - Returns: the session's own offsets where it has just adapted, if adapters are worth sending.
    public func hear(
        _ moment: MomentInput, of name: String, shared: ParameterStore<Float>, goesOn: () -> Bool = { true }
    ) -> Adapted? {
        guard moment.label != nil else { return nil }
        heard += 1
        letGo(except: name)
        replay(shared)
        var session = sessions[name] ?? Session()
        defer { sessions[name] = session }
        session.lastHeard = heard
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
        if session.query.count == learner.configuration.query { learn(&session) }
        return nil
    }

    /// The sessions that have no adapters any more, since this was last asked.
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
        session.revision += 1
        return Adapted(session: name, revision: session.revision, adaptation: adaptation)
    }

    private func learn(_ session: inout Session) {
        if let shared = session.shared {
            let episode = Episode(support: session.support, query: session.query)
            learner.learn(episode, from: shared)
            memory.add(episode)
            spare.append(shared)
        }
        if session.offsets != nil { weigh(Float(session.gain) / Float(session.query.count)) }
        (session.support, session.query, session.shared, session.offsets, session.gain) = ([], [], nil, nil, 0)
    }

    /// All adapters are taken back where they are no longer worth it.
    private func weigh(_ taskGain: Float) {
        let wasTrusted = gain.isTrusted
        gain.add(taskGain)
        if wasTrusted, !gain.isTrusted { released += sessions.keys.sorted() }
    }

    private func replay(_ shared: ParameterStore<Float>) {
        for _ in 0..<learner.configuration.replayed {
            guard let task = memory.draw() else { return }
            learner.learn(task, from: shared)
        }
    }

    private func letGo(except name: String) {
        var silent = sessions.filter { $0.key != name && heard - $0.value.lastHeard > learner.configuration.expiry }.map(\.key).sorted()
        if sessions[name] == nil, sessions.count - silent.count >= learner.configuration.maximumSessions,
            let oldest = sessions.min(by: { $0.value.lastHeard < $1.value.lastHeard })?.key, !silent.contains(oldest)
        {
            silent.append(oldest)
        }
        for name in silent {
            if let shared = sessions.removeValue(forKey: name)?.shared { spare.append(shared) }
            expired += 1
            released.append(name)
        }
    }
}
