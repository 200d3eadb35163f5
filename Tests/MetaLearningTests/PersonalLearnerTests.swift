import MetaLearning
import Model
import Statistics
import Tensors
import Testing

/// Sessions of users; for every second one the same reading has the opposite label.
private struct Habits {
    var random: RandomSource
    static let model: MultimodalConfiguration = {
        var configuration = MultimodalConfiguration()
        configuration.senses = [.init(name: "vector", rows: 1, columns: 4, embedding: 8, hidden: 16)]
        (configuration.width, configuration.heads, configuration.layers, configuration.tokens, configuration.joint, configuration.classes) =
            (16, 2, 1, 1, 16, 2)
        (configuration.text.length, configuration.text.buckets) = (8, 16)
        return configuration
    }()

    mutating func session(_ length: Int, isOpposite: Bool) -> [MomentInput] {
        (0..<length).map { _ in
            let isHigh = random.uniform(below: 2) == 1
            let values = (0..<4).map { _ in Float((isHigh ? 1 : -1) + 0.3 * random.normal()) }
            return MomentInput(
                senses: ["vector": SenseInput(rows: 1, columns: 4, values: values)], label: isHigh == isOpposite ? 0 : 1, classes: 2)
        }
    }
}

@Suite struct PersonalLearnerTests {
    private var configuration: PersonalConfiguration {
        var configuration = PersonalConfiguration()
        (configuration.support, configuration.query, configuration.steps) = (4, 4, 3)
        (configuration.innerRate, configuration.outerRate, configuration.rateShare) = (0.1, 0.01, 0.05)
        (configuration.adapted, configuration.proof) = (configuration.parameters, 0)
        return configuration
    }

    private func shared(_ model: MultimodalModel) -> ParameterStore<Float> {
        var random = RandomSource(seed: 1)
        return model.initialStore(using: &random)
    }

    /// Mean loss of the last sessions' queries after adapting, from the learned start and without it.
    private func losses(_ method: String) throws -> (learned: Double, plain: Double) {
        var configuration = configuration
        configuration.method = method
        let model = try MultimodalModel(Habits.model), shared = shared(model)
        let learner = try PersonalLearner(model, configuration), plain = try PersonalLearner(model, configuration)
        var habits = Habits(random: RandomSource(seed: 2))
        for task in 0..<150 {
            let moments = habits.session(8, isOpposite: task % 2 == 0)
            learner.learn(Episode(support: Array(moments.prefix(4)), query: Array(moments.suffix(4))), from: shared)
        }
        #expect(learner.episodes == 150 && plain.episodes == 0)
        func loss(_ learner: PersonalLearner, _ moments: [MomentInput]) -> Double {
            _ = learner.adapt(Array(moments.prefix(4)), from: shared)
            return learner.evaluate(Array(moments.suffix(4))).loss
        }
        let tests = (0..<20).map { habits.session(8, isOpposite: $0 % 2 == 0) }
        return (tests.reduce(0) { $0 + loss(learner, $1) } / 20, tests.reduce(0) { $0 + loss(plain, $1) } / 20)
    }

    @Test(arguments: PersonalConfiguration.methods) func sessionsAdaptBetterFromALearnedStart(_ method: String) throws {
        let (learned, plain) = try losses(method)
        #expect(learned < plain - 0.1, "\(method): \(learned) against \(plain)")
        let again = try losses(method)
        #expect(again.learned == learned)
    }

    @Test func offsetsAreWhatAdaptingChanged() throws {
        let model = try MultimodalModel(Habits.model), shared = shared(model), before = Array(shared.values)
        let learner = try PersonalLearner(model, configuration)
        var habits = Habits(random: RandomSource(seed: 3))
        let adapted = learner.adapt(habits.session(4, isOpposite: true), from: shared)
        #expect(adapted.steps == 3 && adapted.offsets.count == learner.layout.count && adapted.offsets.contains { $0 != 0 })
        #expect(Array(shared.values) == before)
        #expect(learner.layout.parameters.allSatisfy { parameter in configuration.parameters.contains { parameter.name.contains($0) } })
        // It ends after the first step if it must not continue.
        #expect(learner.adapt(habits.session(4, isOpposite: true), from: shared, goesOn: { false }).steps == 1)
    }

    @Test func whatIsNotAdaptedIsTheSameInAllSessions() throws {
        var configuration = configuration
        configuration.adapted = ["encoder.vector.norm."]
        let model = try MultimodalModel(Habits.model), shared = shared(model)
        let learner = try PersonalLearner(model, configuration)
        var habits = Habits(random: RandomSource(seed: 3))
        let task = habits.session(8, isOpposite: true)
        learner.learn(Episode(support: Array(task.prefix(4)), query: Array(task.suffix(4))), from: shared)
        let one = learner.adapt(habits.session(4, isOpposite: true), from: shared),
            other = learner.adapt(habits.session(4, isOpposite: false), from: shared)
        for (parameter, range) in zip(learner.layout.parameters, learner.layout.ranges) {
            #expect((one.offsets[range] == other.offsets[range]) != configuration.isAdapted(parameter), "\(parameter.name)")
            #expect(learner.rates[parameter.name].allSatisfy { $0 == 0 } != configuration.isAdapted(parameter), "\(parameter.name)")
        }
        #expect(learner.start["head.class.weight"].contains { $0 != 0 })
    }

    @Test func theGainOfOffsetsIsWhatTheyTakeFromTheLoss() throws {
        let model = try MultimodalModel(Habits.model), shared = shared(model), before = Array(shared.values)
        let learner = try PersonalLearner(model, configuration)
        var habits = Habits(random: RandomSource(seed: 5))
        let support = habits.session(4, isOpposite: false), asked = habits.session(1, isOpposite: false)
        _ = learner.adapt(support, from: shared, steps: 0)
        let plain = learner.evaluate(asked).loss
        let offsets = learner.adapt(support, from: shared).offsets
        let gain = learner.gain(of: offsets, over: shared, on: asked[0])
        #expect(abs(gain - (plain - learner.evaluate(asked).loss)) < 1e-6 && gain > 0)
        #expect(learner.gain(of: offsets.map { _ in 0 }, over: shared, on: asked[0]) == 0)
        #expect(Array(shared.values) == before)
    }

    @Test func rememberedTasksTeachMore() throws {
        func loss(replayed: Int) throws -> Double {
            var configuration = configuration
            (configuration.replayed, configuration.memory) = (replayed, 16)
            let model = try MultimodalModel(Habits.model), shared = shared(model),
                tasks = SessionTasks(try PersonalLearner(model, configuration))
            var habits = Habits(random: RandomSource(seed: 6))
            for user in 0..<20 {
                for moment in habits.session(8, isOpposite: user % 2 == 0) { _ = tasks.add(moment, of: "\(user)", shared: shared) }
            }
            #expect(tasks.learner.episodes == 20 + replayed * 8 * 19)
            return (0..<20).reduce(0) { sum, user in
                _ = tasks.learner.adapt(habits.session(4, isOpposite: user % 2 == 0), from: shared)
                return sum + tasks.learner.evaluate(habits.session(4, isOpposite: user % 2 == 0)).loss / 20
            }
        }
        let once = try loss(replayed: 0), again = try loss(replayed: 2)
        #expect(again < once / 2, "\(again) against \(once)")
        #expect(try loss(replayed: 2) == again)
    }

    /// Tasks of one session each, learned from nothing.
    private func hear(_ tasks: SessionTasks, _ count: Int, _ session: (Int) -> [MomentInput], shared: ParameterStore<Float>) -> [Int] {
        (0..<count).filter { task in
            session(task).reduce(false) { told, moment in tasks.add(moment, of: "\(task)", shared: shared) != nil || told }
        }
    }

    @Test func adaptersAreOfferedOnceProvenAndTakenBackWhereTheyDoHarm() throws {
        var configuration = configuration
        (configuration.proof, configuration.maximumSessions) = (8, 100)
        let model = try MultimodalModel(Habits.model), shared = shared(model),
            tasks = SessionTasks(try PersonalLearner(model, configuration))
        var habits = Habits(random: RandomSource(seed: 7))
        let offered = hear(tasks, 40, { habits.session(8, isOpposite: $0 % 2 == 0) }, shared: shared)
        let first = try #require(offered.first)
        #expect(first >= 8 && offered.contains(39) && tasks.gain.mean > 0.1)
        #expect(tasks.takeReleased() == [])
        // If a user's labels change after the support, the adapters do harm.
        let misled = hear(
            tasks, 8, { habits.session(4, isOpposite: $0 % 2 == 0) + habits.session(4, isOpposite: $0 % 2 == 1) }, shared: shared)
        #expect(misled.contains(0) && !misled.contains(7) && !tasks.gain.isTrusted)
        #expect(tasks.takeReleased().contains("39"))
    }

    @Test func sessionsBecomeTasksAndExpire() throws {
        var configuration = configuration
        (configuration.maximumSessions, configuration.expiry) = (2, 20)
        let model = try MultimodalModel(Habits.model), shared = shared(model)
        let tasks = SessionTasks(try PersonalLearner(model, configuration))
        var habits = Habits(random: RandomSource(seed: 4))
        func hear(_ name: String, _ count: Int) -> [UInt64] {
            habits.session(count, isOpposite: false).compactMap { tasks.add($0, of: name, shared: shared)?.revision }
        }
        #expect(hear("a", 3) == [] && hear("a", 1) == [1])
        #expect(tasks.learner.episodes == 0)
        #expect(hear("a", 4) == [] && tasks.learner.episodes == 1)
        #expect(hear("a", 4) == [2])
        #expect(tasks.add(MomentInput(text: [1]), of: "a", shared: shared) == nil, "without a label nothing is learned")
        // A third session replaces another, and a session that is inactive for long is removed.
        #expect(hear("b", 1) == [] && hear("c", 1) == [])
        #expect(tasks.takeReleased() == ["a"] && tasks.expired == 1)
        _ = hear("c", 22)
        #expect(tasks.takeReleased() == ["b"] && tasks.takeReleased() == [])
    }

    /// What a session adapts to alone changes neither what sessions begin with, nor the gain, nor when others expire.
    @Test func momentsOfASessionsOwnTeachNoOtherSession() throws {
        var configuration = configuration
        (configuration.replayed, configuration.memory, configuration.maximumSessions, configuration.proof) = (1, 4, 2, 0)
        let model = try MultimodalModel(Habits.model), shared = shared(model)
        let tasks = SessionTasks(try PersonalLearner(model, configuration)), plain = SessionTasks(try PersonalLearner(model, configuration))
        var habits = Habits(random: RandomSource(seed: 9)), others = Habits(random: RandomSource(seed: 10))
        var own: [SessionTasks.Adapted] = [], revisions: [UInt64] = []
        for round in 0..<12 {
            for name in ["a", "b"] {
                for moment in habits.session(4, isOpposite: round % 2 == 0) {
                    let (one, other) = (tasks.add(moment, of: name, shared: shared), plain.add(moment, of: name, shared: shared))
                    #expect(one?.adaptation.offsets == other?.adaptation.offsets)
                    if name == "a", let one { revisions.append(one.revision) }
                }
            }
            for moment in others.session(3, isOpposite: true) {
                own += [tasks.adaptAlone(to: moment, of: "a", shared: shared)].compactMap(\.self)
            }
            #expect(Array(tasks.learner.start.values) == Array(plain.learner.start.values), "round \(round)")
            #expect(tasks.gain.tasks == plain.gain.tasks && tasks.learner.episodes == plain.learner.episodes, "round \(round)")
        }
        #expect(own.count == 12 * 3 / configuration.support && own.allSatisfy(\.isOwn))
        // A session's revisions rise, whatever it adapted to.
        let all = revisions + own.map(\.revision)
        #expect(Set(all).count == all.count)
        for name in ["c", "d", "e"] { _ = tasks.adaptAlone(to: habits.session(1, isOpposite: false)[0], of: name, shared: shared) }
        #expect(tasks.takeReleased() == ["a", "c"], "those of the sessions that were replaced are withdrawn")
    }

    /// A session that is discarded teaches nothing more; after a reset, sessions teach what they teach a learner that knows no others.
    @Test func discardedSessionsAreNotReplayedAndAResetForgetsAll() throws {
        var configuration = configuration
        (configuration.replayed, configuration.memory) = (1, 4)
        let model = try MultimodalModel(Habits.model), shared = shared(model)
        let tasks = SessionTasks(try PersonalLearner(model, configuration))
        let fresh = SessionTasks(try PersonalLearner(model, configuration))
        var habits = Habits(random: RandomSource(seed: 8))
        let (first, second) = (habits.session(8, isOpposite: true), habits.session(12, isOpposite: false))
        for moment in first { _ = tasks.add(moment, of: "a", shared: shared) }
        #expect(tasks.learner.episodes == 1)
        tasks.discard("a")
        #expect(tasks.takeReleased() == ["a"])
        _ = tasks.add(second[0], of: "b", shared: shared)
        #expect(tasks.learner.episodes == 1, "the only task was of the discarded session")
        tasks.discard("nobody")
        tasks.reset()
        #expect(tasks.takeReleased() == ["b"])
        #expect(tasks.learner.episodes == 0 && tasks.learner.start.values.allSatisfy { $0 == 0 })
        let offsets = second.compactMap { tasks.add($0, of: "b", shared: shared)?.adaptation.offsets }
        #expect(offsets.count == 2 && offsets == second.compactMap { fresh.add($0, of: "b", shared: shared)?.adaptation.offsets })
    }

    @Test func refusesNonsense() throws {
        let model = try MultimodalModel(Habits.model)
        #expect(throws: SettingsError.self) { try PersonalConfiguration(["method": "magic"]) }
        #expect(throws: SettingsError.self) { try PersonalLearner(model, PersonalConfiguration(["parameters": ["nothing.like.it"]])) }
        #expect(throws: SettingsError.self) { try PersonalLearner(model, PersonalConfiguration(["maximum_numbers": 10])) }
    }
}
