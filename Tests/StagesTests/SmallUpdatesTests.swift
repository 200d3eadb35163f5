import FilesTesting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Tensors
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Fuse
@testable import Learn
@testable import Serving
@testable import Updates

/// A learner that publishes deltas, and stages that adopt them and ask for what they have missed.
struct SmallUpdatesTests {
    private let folder = Folder()

    private func settings(_ coding: UpdateCoding, live: Bool = false) -> GraphSettings {
        var settings = GraphSettings()
        settings.mode = live ? .live : .lockstep
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (1, 1, 8)
        (settings.learn.publishEvery, settings.learn.triggers) = (2, [])
        (settings.learn.updates.coding, settings.learn.updates.pieceBytes) = (coding, 4_096)
        return settings
    }

    private func moment(_ ordinal: UInt64) throws -> LearnProcessor.Input {
        let event = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: ordinal)
            $0.moment = .with {
                ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                $0.senses = [
                    .with {
                        $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                    }
                ]
            }
        }
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: [Payload([104, Float(100 + ordinal)] as [Float])]))
    }

    /// The models among a learner's outputs, as they are received.
    private func models(_ outputs: [Outgoing]) -> [(update: ModelUpdate, payload: [Payload])] {
        outputs.compactMap { output in
            (output.message as? ModelUpdate).map { update in
                var update = update
                update.stamp = Stamp(from: "learn", sequence: update.version + 1)
                return (update, output.payload)
            }
        }
    }

    private func learner(_ settings: GraphSettings, moments: UInt64 = 9) throws -> Harness<LearnProcessor> {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        for ordinal in 1...moments { learner.send(try moment(ordinal)) }
        #expect(learner.refusals.isEmpty)
        return learner
    }

    private func message(_ update: ModelUpdate, _ payload: [Payload]) throws -> WireMessage {
        try WireMessage(update, on: (update.kind == .delta ? Topics.modelDelta : Topics.modelUpdate).only, payload: payload)
    }

    /// The numbers of each version that is adopted.
    private func numbers(_ updates: [(update: ModelUpdate, payload: [Payload])], _ settings: GraphSettings) throws -> [UInt64: [Float]] {
        let model = try MultimodalModel(settings.model)
        var models = AdoptedModels(layout: model.layout, capacity: 64), numbers: [UInt64: [Float]] = [:]
        for (update, payload) in updates { try models.insert(update, payload: try message(update, payload)) }
        for version in models.versions {
            let store = ParameterStore<Float>(model.layout)
            version.parameters.copy(into: store)
            numbers[version.update.version] = Array(store.values)
        }
        return numbers
    }

    @Test func exactDeltasGiveTheSameModelsToTheBitAsWholeUpdates() throws {
        let whole = settings(.whole), exact = settings(.exact)
        let wholes = models(try learner(whole).outputs), deltas = models(try learner(exact).outputs)
        #expect(wholes.map(\.update.version) == [0, 1, 2, 3, 4] && deltas.map(\.update.version) == [0, 1, 2, 3, 4])
        #expect(wholes.allSatisfy { $0.update.kind == .whole && $0.update.state.isEmpty })
        #expect(deltas.map(\.update.kind) == [.whole, .delta, .delta, .delta, .delta])
        #expect(deltas.map(\.update.configuration.isEmpty) == [false, true, true, true, true])
        let (a, b) = (try numbers(wholes, whole), try numbers(deltas, exact))
        #expect(a.count == 5 && a.mapValues { $0.map(\.bitPattern) } == b.mapValues { $0.map(\.bitPattern) })
        #expect(a[4] != a[0])
    }

    @Test func lossyDeltasAreForLiveGraphs() throws {
        #expect(settings(.int8).problems.contains { $0.key == "learn.updates.coding" })
        #expect(settings(.float16).problems.contains { $0.key == "learn.updates.coding" })
        #expect(!settings(.exact).problems.contains { $0.key.hasPrefix("learn.updates") })
        #expect(!settings(.int8, live: true).problems.contains { $0.key.hasPrefix("learn.updates") })
        let live = settings(.int8, live: true)
        var learner = Harness(try LearnProcessor(live, clock: VirtualClock()))
        for ordinal: UInt64 in 1...9 { learner.send(try moment(ordinal)) }
        learner.advance(by: .seconds(2))
        let published = models(learner.outputs), own = learner.processor.guided.serving
        let numbers = try numbers(published, live), newest = try #require(numbers[published.last?.update.version ?? 0])
        let start = try #require(numbers[0])
        func distance(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) } }
        let (error, change) = (distance(newest, Array(own.values)), distance(start, Array(own.values)))
        #expect(error > 0 && error < change / 100, "\(error) of \(change)")
        let whole = try #require(published.first).payload.reduce(0) { $0 + $1.count }
        for one in published.dropFirst() { #expect(one.payload.reduce(0) { $0 + $1.count } < whole * 35 / 100) }
    }

    @Test func atTheEndOfAStreamAWholeModelComesToo() throws {
        var learner = try learner(settings(.exact), moments: 5)
        let end = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 6)
            $0.end = .with { $0.moments = 5 }
        }
        let last = models(learner.send(try .init(WireMessage(end, on: try Topics.moment(Topics.endOfMoments)))))
        #expect(last.map(\.update.kind) == [.delta, .whole] && last.allSatisfy { $0.update.last })
        #expect(last[0].update.state == last[1].update.state)
    }

    // MARK: Asking

    /// Passes an evaluator's questions to a learner, and its answers back, until nothing is asked any more.
    private func converse(_ evaluator: inout Harness<EvaluateProcessor>, _ learner: inout Harness<LearnProcessor>) throws -> Int {
        var questions = 0, asked = (evaluator.outputs + evaluator.advance(by: .seconds(1))).filter(\.isQuestion)
        for sequence: UInt64 in 1...200 {
            guard let question = asked.first, var request = question.message as? UpdateRequest else { break }
            questions += 1
            request.stamp = Stamp(from: "evaluate", sequence: sequence)
            let message = try WireMessage(
                topic: question.topic, header: request.serializedBytes(), from: Peer([1]))
            asked = Array(asked.dropFirst())
            for answer in learner.send(try .init(message)) {
                #expect(answer.peer == Peer([1]))
                var content = try #require(answer.message as? UpdateAnswer)
                content.stamp = Stamp(from: "learn", sequence: sequence)
                let topic = try Topics.updateAnswer("evaluate")
                #expect(answer.topic == topic.name)
                asked += evaluator.send(try .init(WireMessage(content, on: topic, payload: answer.payload))).filter(\.isQuestion)
            }
            if asked.isEmpty { asked = evaluator.advance(by: .seconds(1)).filter(\.isQuestion) }
        }
        return questions
    }

    @Test(arguments: [UpdateCoding.exact, .whole])
    func anEvaluatorThatComesLateAsksAndIsAnswered(_ coding: UpdateCoding) throws {
        var settings = settings(coding, live: true)
        if coding == .whole { settings.learn.updates.canaryShare = 1 }
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        for ordinal: UInt64 in 1...9 { learner.send(try moment(ordinal)) }
        let published = models(learner.outputs), newest = try #require(published.last)
        var evaluator = Harness(try EvaluateProcessor(settings))
        evaluator.send(try .init(message(newest.update, newest.payload)))
        if coding == .exact { #expect(evaluator.refusals.map(\.reason) == [.missingParent]) }
        let questions = try converse(&evaluator, &learner)
        #expect(questions > (coding == .exact ? 3 : 0))
        let gauges = learner.processor.telemetry.gauges
        #expect(gauges["updateSubscribers"] == 1 && gauges["updatesAdopted"] ?? 0 >= 1)
        #expect((gauges["updatePieceBytes"] ?? 0 > 0) == (coding == .exact))
        #expect(evaluator.refusals.count == (coding == .exact ? 1 : 0))
    }

    @Test func aQuestionThatIsNoneIsAnsweredWithTheReason() throws {
        var learner = try learner(settings(.exact), moments: 1)
        let topic = try Topics.updateRequest("x")
        let piece = UpdateRequest.with {
            $0.stamp = Stamp(from: "x", sequence: 7)
            $0.piece = .with { $0.sha256 = Data([1]) }
        }
        let message = try WireMessage(topic: topic.name, header: piece.serializedBytes(), from: Peer([2]))
        #expect(learner.send(try .init(message)).isEmpty)
        #expect(learner.refusals.last?.reason == .noUpdate)
        let answers = learner.refuse(message, because: learner.refusals[0])
        let answer = try #require(answers.first?.message as? UpdateAnswer)
        #expect(answer.problem == "noUpdate" && answer.request == 7 && answers[0].peer == Peer([2]))
        // Orders do not come this way, and questions not by publishing.
        let order = try WireMessage(topic: "order.learn/", header: Order().serializedBytes(), from: Peer([2]))
        #expect(throws: Refusal.self) { try LearnProcessor.Input(order) }
        #expect(throws: (any Error).self) {
            try LearnProcessor.Input(WireMessage(topic: topic.name, header: piece.serializedBytes()))
        }
    }

    // MARK: Signed updates of other kinds

    private func keys() throws -> String {
        let root = UpdateKeys(folder.path("root"))
        try root.makeRoot()
        try root.signKey(into: UpdateKeys(folder.path("updates")), name: "learner", seconds: 86_400, at: WallClock().now.nanoseconds)
        return folder.path("updates")
    }

    @Test func memoriesOfCorrectionsAreSignedAndBelievedOnlySo() throws {
        var settings = settings(.whole, live: true)
        settings.learn.rememberedTokens = 64
        settings.security.updates = try keys()
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        learner.send(try moment(1))
        learner.advance(by: .seconds(1))
        let memory = try #require(learner.outputs.compactMap { $0.message as? MemoryUpdate }.last)
        #expect(memory.hasPassport && !memory.texts.isEmpty)
        // Before its passport expires it comes again.
        learner.advanceAlone(by: .seconds(1_801))
        let renewed = learner.advance(by: .seconds(1)).compactMap { $0.message as? MemoryUpdate }
        #expect(renewed.count == 1 && renewed[0].hasPassport)

        var fuse = Harness(try FuseProcessor(settings, clock: VirtualClock()))
        func send(_ change: (inout MemoryUpdate) -> Void) throws -> Reason? {
            var update = memory
            change(&update)
            let before = fuse.refusals.count
            if update.stamp.source.isEmpty { update.stamp = Stamp(from: "learn", sequence: 1) }
            fuse.send(try .init(WireMessage(update, on: Topics.memoryUpdate.only)))
            return fuse.refusals.count > before ? fuse.refusals.last?.reason : nil
        }
        #expect(try send { _ in } == nil)
        #expect(try send { $0.clearPassport() } == .unsigned)
        #expect(try send { $0.texts.append(1) } == .badSignature)
        #expect(try send { $0.corrections = [.with { $0.answer = "forged" }] } == .badSignature)
        #expect(try send { $0.version += 1 } == .badSignature)
        #expect(try send { $0.stamp = Stamp(from: "learn", sequence: 7) } == nil)
        #expect(try send { $0 = renewed[0] } == nil)
        #expect(try send { _ in } == .rolledBack)  // the one before
    }

    @Test func adaptersOfSessionsAndPoliciesAreBelievedOnlySigned() throws {
        var settings = settings(.whole, live: true)
        settings.personal.enabled = true
        settings.security.updates = try keys()
        let model = try MultimodalModel(settings.model)
        var signer = try #require(try settings.passportSigner())
        var adapters = try #require(try SessionAdapters(settings, model.layout))
        let layout = ParameterLayout(model.layout.parameters.filter(settings.personal.isPersonal))
        let published = PublishedParameters(ParameterStore<Float>(layout))
        func signed<Update: SignedUpdate>(_ update: Update, _ payload: [Payload]) throws -> Update {
            var update = update
            let passport = signer.sign(update.claims.passport, payload: payload, digest: update.claims.sha256)
            update.passport = try #require(passport)
            return update
        }
        func reason(_ body: () throws(Refusal) -> Void) -> Reason? {
            do throws(Refusal) {
                try body()
                return nil
            } catch {
                return error.reason
            }
        }
        let update = SessionUpdate.with {
            ($0.session, $0.revision, $0.version, $0.momentWatermark, $0.sha256) = ("a", 1, 3, 5, published.digest)
        }
        func insert(_ update: SessionUpdate, _ payload: [Payload]) throws -> Reason? {
            let message = try WireMessage(update, on: try Topics.sessionUpdate("a"), payload: payload)
            return reason { () throws(Refusal) in try adapters.insert(update, payload: message) }
        }
        #expect(try insert(update, [published.payload]) == .unsigned)
        let first = try signed(update, [published.payload])
        #expect(try insert(first, [published.payload]) == nil && adapters.count == 1)
        var other = first
        other.version = 0
        #expect(try insert(other, [published.payload]) == .badSignature)
        let ended = try signed(SessionUpdate.with { ($0.session, $0.ended, $0.version) = ("a", true, 4) }, [])
        var forged = first
        forged.ended = true
        #expect(try insert(forged, [published.payload]) == .badSignature && adapters.count == 1)
        #expect(try insert(ended, []) == nil && adapters.count == 0)
        #expect(try insert(first, [published.payload]) == .rolledBack && adapters.count == 0)

        settings.decide.policy = "ppo"
        (settings.decide.choices, settings.decide.inputs) = (3, 4)
        var decider = try #require(try Decider(settings))
        let parameters = ParameterStore<Float>(
            try settings.decide.makeLearner(inputs: settings.observationSize, seed: 1).policy.parameters.layout)
        let numbers = PublishedParameters(parameters)
        let policy = PolicyUpdate.with { ($0.version, $0.policy, $0.sha256) = (1, "ppo", numbers.digest) }
        func adopt(_ update: PolicyUpdate) throws -> Reason? {
            let message = try WireMessage(update, on: Topics.policyUpdate.only, payload: [numbers.payload])
            return reason { () throws(Refusal) in try decider.adopt(update, payload: message) }
        }
        #expect(try adopt(policy) == .unsigned)
        let good = try signed(policy, [numbers.payload])
        var changed = good
        changed.version = 2
        #expect(try adopt(changed) == .badSignature)
        #expect(try adopt(good) == nil && decider.policyVersion == 1)
    }
}
