import FilesTesting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Learn
@testable import Serving
@testable import Updates

/// A learner with a key signs what it publishes; fuse's and evaluate's store of models takes only what is signed.
struct SignedUpdatesTests {
    private let folder = Folder()

    private func settings(signed: Bool = true) throws -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (1, 1, 8)
        settings.learn.publishEvery = 4
        settings.learn.triggers = []
        if signed {
            settings.security.updates = folder.path("updates")
            let root = UpdateKeys(folder.path("root")), now = WallClock().now.nanoseconds
            if !FileManager.default.fileExists(atPath: root.rootKey) {
                try root.makeRoot()
                try root.signKey(into: UpdateKeys(folder.path("updates")), name: "learner", seconds: 86_400, at: now)
            }
        }
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
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: [Payload([104, 105] as [Float])]))
    }

    /// What a learner publishes from 9 moments.
    private func published(_ settings: GraphSettings) throws -> [(update: ModelUpdate, payload: [Payload])] {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        for ordinal in 1...9 { learner.send(try moment(UInt64(ordinal))) }
        #expect(learner.refusals.isEmpty)
        return learner.outputs.compactMap { output in
            (output.message as? ModelUpdate).map { update in
                var update = update
                update.stamp = Stamp(from: "learn", sequence: update.version + 1)
                return (update, output.payload)
            }
        }
    }

    private func evaluator(_ settings: GraphSettings) throws -> Harness<EvaluateProcessor> { Harness(try EvaluateProcessor(settings)) }

    private func send(_ update: ModelUpdate, _ payload: [Payload], to evaluator: inout Harness<EvaluateProcessor>) throws -> Reason? {
        let before = evaluator.refusals.count
        evaluator.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: payload)))
        return evaluator.refusals.count > before ? evaluator.refusals.last?.reason : nil
    }

    @Test(arguments: [1 << 24, 1 << 14])
    func whatALearnerSignsIsAdopted(frameBytes: Int) throws {
        var settings = try settings()
        settings.messaging.frameBytes = frameBytes
        let updates = try published(settings)
        #expect(updates.map(\.update.version) == [0, 1, 2] && updates.allSatisfy { $0.update.hasPassport })
        #expect((updates[0].payload.count > 1) == (frameBytes == 1 << 14))
        var evaluator = try evaluator(settings)
        for (update, payload) in updates { #expect(try send(update, payload, to: &evaluator) == nil) }
        #expect(evaluator.processor.telemetry.gauges["missedVersions"] == 0 && evaluator.processor.telemetry.gauges["updatesFrozen"] == nil)
        let passport = try Passport(serializedBytes: updates[2].update.passport.passport)
        #expect(passport.parent == updates[1].update.sha256 && passport.parts.count == updates[2].payload.count)
        #expect(passport.cause == .schedule && passport.reason == "moments" && passport.evidence.learned == 4)
        #expect(try passport.settings.count == 32 && passport.base == Data(settings.updateBase) && passport.code == "0.1.0")
        #expect(passport.momentWatermark == updates[2].update.momentWatermark && passport.momentWatermark > 0)
    }

    @Test func withoutKeysNothingIsSignedOrChecked() throws {
        let updates = try published(try settings(signed: false))
        #expect(updates.allSatisfy { !$0.update.hasPassport })
        var evaluator = try evaluator(try settings(signed: false))
        for (update, payload) in updates { #expect(try send(update, payload, to: &evaluator) == nil) }
    }

    @Test func whatIsNotSignedIsRefusedAndChangesNothing() throws {
        let signed = try published(try settings()), unsigned = try published(try settings(signed: false))
        var evaluator = try evaluator(try settings())
        #expect(try send(unsigned[0].update, unsigned[0].payload, to: &evaluator) == .unsigned)
        #expect(try send(signed[0].update, signed[0].payload, to: &evaluator) == nil)
        #expect(try send(unsigned[1].update, unsigned[1].payload, to: &evaluator) == .unsigned)
        // Mixed: the header of one, the numbers of another.
        #expect(try send(signed[1].update, signed[2].payload, to: &evaluator) == .wrongDigest)
        #expect(try send(signed[2].update, signed[2].payload, to: &evaluator) == nil)
        // Rolled back, although the header claims a learner that has started again.
        var old = signed[1].update
        old.stamp.epoch += 1
        #expect(try send(old, signed[1].payload, to: &evaluator) == .rolledBack)
        old = signed[2].update
        old.stamp.epoch += 1
        #expect(try send(old, signed[2].payload, to: &evaluator) == .rolledBack)
    }

    /// A right signature over numbers that no model may have, or of another model.
    @Test func wrongContentIsRefusedThoughItsSignatureIsRight() throws {
        let settings = try settings(), layout = try MultimodalModel(settings.model).layout
        var signer = try #require(try settings.passportSigner())
        func signed(_ version: UInt64, _ layout: ParameterLayout, _ change: (inout [Float]) -> Void) throws -> (ModelUpdate, [Payload]) {
            var values = [Float](repeating: 0.5, count: layout.count)
            change(&values)
            let published = values.withUnsafeBufferPointer { PublishedParameters(layout, $0) }
            var update = ModelUpdate.with {
                ($0.version, $0.sha256, $0.stamp) = (version, published.digest, Stamp(from: "learn", sequence: version))
            }
            let claims = update.claims
            let passport = Passport.with { ($0.topic, $0.version, $0.sha256) = (claims.topic, claims.version, claims.sha256) }
            let signature = signer.sign(passport, payload: [published.payload], digest: published.digest)
            update.passport = try #require(signature)
            return (update, [published.payload])
        }
        var evaluator = try evaluator(settings)
        let good = try signed(1, layout) { _ in }
        #expect(try send(good.0, good.1, to: &evaluator) == nil)
        let notANumber = try signed(2, layout) { $0[$0.count / 2] = .nan }
        #expect(try send(notANumber.0, notANumber.1, to: &evaluator) == .nonFinite)
        let endless = try signed(3, layout) { $0[0] = .infinity }
        #expect(try send(endless.0, endless.1, to: &evaluator) == .nonFinite)
        let other = try signed(4, ParameterLayout(Array(layout.parameters.dropLast()))) { _ in }
        #expect(try send(other.0, other.1, to: &evaluator) == .wrongModel)
        let far = try signed(2 + UInt64(settings.security.widestJump), layout) { _ in }
        #expect(try send(far.0, far.1, to: &evaluator) == .fastForward)
        let next = try signed(5, layout) { _ in }
        #expect(try send(next.0, next.1, to: &evaluator) == nil)
    }

    @Test func aModelOfOtherSettingsIsAnotherBase() throws {
        var other = try settings()
        other.model.fusion = "late"
        let updates = try published(other)
        var evaluator = try evaluator(try settings())
        #expect(try send(updates[0].update, updates[0].payload, to: &evaluator) == .wrongBase)
        // Where files lie does not matter.
        var moved = try settings()
        moved.model.gpt2 = "/elsewhere"
        #expect(try moved.updateBase == settings().updateBase)
    }

    @Test func beforeAPassportExpiresTheLearnerPublishesAgain() throws {
        var settings = try settings()
        settings.security.updateLifetime = 60
        settings.learn.publishInterval = 1e6
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        learner.send(try moment(1))
        #expect(learner.advance(by: .seconds(29)).allSatisfy { !($0.message is ModelUpdate) })
        let renewed = learner.advance(by: .seconds(2)).compactMap { $0.message as? ModelUpdate }
        #expect(renewed.map(\.reason) == ["renewal"] && renewed[0].version == 1)
        #expect(learner.advance(by: .seconds(2)).allSatisfy { !($0.message is ModelUpdate) })
    }

    @Test func aLearnerWithoutAKeyDoesNotStart() throws {
        var settings = try settings()
        settings.security.updates = folder.path("root")  // has a root key only
        #expect(throws: (any Error).self) { try LearnProcessor(settings, clock: VirtualClock()) }
        #expect(throws: Never.self) { try EvaluateProcessor(settings) }
        settings.security.updates = folder.path("nowhere")
        #expect(throws: (any Error).self) { try EvaluateProcessor(settings) }
    }

    @Test func aSavedUpdateIsVerifiedOffline() throws {
        let settings = try settings(), trust = try #require(try settings.updateTrust())
        let (update, payload) = try published(settings)[2]
        let place = folder.path("saved")
        try SavedUpdate.write(WireMessage(update, on: Topics.modelUpdate.only, payload: payload), to: place)
        #expect(try SavedUpdate(place).verify(trust).passport.version == 2)
        var bytes = try Data(contentsOf: URL(filePath: "\(place)/part-000"))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: URL(filePath: "\(place)/part-000"))
        #expect(throws: Refusal.self) { try SavedUpdate(place).verify(trust) }
    }
}
