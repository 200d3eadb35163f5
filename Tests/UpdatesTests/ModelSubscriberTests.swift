import FilesTesting
import Foundation
import Messaging
import Pipeline
import Safetensors
import Schema
import Statistics
import Synchronization
import Testing
@testable import Updates

private let shapes: [ModelState.Shape] = [.init("a", [40, 50]), .init("b", [300])]

private func digest(_ bytes: [UInt8]) -> Data { Data(bytes.withUnsafeBytes { Updates.sha256(of: $0) }) }

/// An update as it is published.
struct PublishedUpdate {
    var update: ModelUpdate
    var payload: [UInt8]
}

/// A learner whose numbers walk at random, and what it publishes.
struct WalkingLearner {
    private var values: [Float]
    private var random = RandomSource(seed: 1)
    private var published: PublishedModel
    fileprivate(set) var server: UpdateServer
    private(set) var version: UInt64 = 0
    var signer: PassportSigner?
    var now = Instant(nanoseconds: 0)
    /// How far a number walks in a step.
    var stride: Float = 1e-3

    init(_ settings: UpdateSettings, signer: PassportSigner? = nil, trust: UpdateTrust? = nil) {
        values = [Float](repeating: 0.5, count: 2_300)
        published = PublishedModel(shapes, settings)
        server = UpdateServer(settings, trust: trust)
        self.signer = signer
    }

    /// The next version, after a step; the first is version 0.
    mutating func publish(isWholeDue: Bool = false, share: Double = 0) throws -> [PublishedUpdate] {
        if published.state != nil {
            version += 1
            for index in values.indices { values[index] += stride * Float(random.normal()) }
        }
        let contents = try values.withUnsafeBufferPointer { try published.publish($0, version: version, isWholeDue: isWholeDue) }
        return contents.map { content in
            let payload = content.payload.withUnsafeBytes { Array($0) }
            var update = ModelUpdate.with {
                ($0.version, $0.parent, $0.momentsSeen, $0.momentWatermark) = (version, content.parent, version * 8, version * 8)
                ($0.kind, $0.state, $0.parentState, $0.sha256) = (content.kind, content.state, content.parentState, digest(payload))
                ($0.plainBytes, $0.payloadBytes) = (UInt64(content.plainBytes), UInt64(payload.count))
                ($0.canaryShare, $0.canaryWait, $0.stamp.epoch) = (share, 10, 1)
            }
            let frames = content.payload.cut(into: 4_096)
            if let signed = signer?.sign(update.claims.passport, payload: frames, digest: update.sha256) { update.passport = signed }
            server.add(update, frames, at: now)
            return PublishedUpdate(update: update, payload: payload)
        }
    }

    var state: ModelState? { published.state }

    /// Answers a request as the stage does, with its own stamp.
    mutating func answer(_ request: UpdateRequest, from name: String, sequence: UInt64 = 1, epoch: UInt64 = 1) -> (UpdateAnswer, [UInt8])? {
        var request = request
        (request.stamp.epoch, request.stamp.sequence) = (epoch, sequence)
        do throws(Refusal) {
            guard var answer = try server.answer(request, from: name, at: now) else { return nil }
            answer.message.stamp.epoch = 1
            return (answer.message, answer.piece)
        } catch {
            return (.with { $0.problem = error.reason.rawValue }, [])
        }
    }
}

extension ModelSubscriber {
    init(named name: String = "tester", trust: UpdateTrust? = nil) {
        self.init(name, shapes, trust: trust, widestJump: 1_000, largest: 1 << 20)
    }

    mutating func take(_ one: PublishedUpdate, at now: Instant = Instant(nanoseconds: 0)) throws(Refusal) -> Version? {
        let payload = Payload(one.payload)
        let frames = UpdateFetcher.Fetched(update: one.update, payload: one.payload).frames
        let parts = payload.withUnsafeBytes { bytes in frames.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) } }
        return try take(one.update, parts: parts, owner: payload, at: now)
    }

    /// The reason of refusal; nil where it is accepted.
    mutating func refusal(of one: PublishedUpdate) -> Reason? {
        do throws(Refusal) {
            _ = try take(one)
            return nil
        } catch {
            return error.reason
        }
    }

    /// The digest of what serves.
    var digest: Data? { if case .state(let state)? = serving?.parameters { state.digest } else { nil } }

    /// Asks until nothing is missing; returns the number of questions.
    mutating func catchUp(_ learner: inout WalkingLearner, most: Int = 200) throws -> Int {
        var questions = 0
        for _ in 0..<most {
            learner.now = learner.now + .seconds(1)
            let asked = requests(at: learner.now).first { if case .report? = $0.request { false } else { true } }
            guard let request = asked else { break }
            questions += 1
            guard let (answer, piece) = learner.answer(request, from: name) else { continue }
            if let fetched = try take(answer, piece: piece, at: learner.now) {
                _ = try take(PublishedUpdate(update: fetched.update, payload: fetched.payload), at: learner.now)
            }
        }
        return questions
    }
}

private func settings(_ coding: UpdateCoding = .int8, _ change: (inout UpdateSettings) -> Void = { _ in }) -> UpdateSettings {
    var settings = UpdateSettings()
    (settings.coding, settings.pieceBytes) = (coding, 1_024)
    change(&settings)
    return settings
}

struct ModelSubscriberTests {
    @Test(arguments: [UpdateCoding.exact, .float16, .int8])
    func aChainOfDeltasLeadsToThePublishersState(_ coding: UpdateCoding) throws {
        var learner = WalkingLearner(settings(coding)), subscriber = ModelSubscriber()
        var sizes: [Int] = []
        for version in 0..<20 {
            let updates = try learner.publish()
            #expect(updates.map(\.update.kind) == [version == 0 ? .whole : .delta])
            sizes.append(updates[0].payload.count)
            #expect(try subscriber.take(updates[0])?.update.version == UInt64(version))
            #expect(subscriber.digest == learner.state?.digest)
        }
        #expect(sizes[1...].allSatisfy { $0 < sizes[0] } && subscriber.receiver.missed == 0 && subscriber.adopted == 20)
    }

    @Test func wholeModelsComeBetweenAndBothLeadToTheSame() throws {
        var learner = WalkingLearner(settings { $0.wholeEvery = 3 }), deltas = ModelSubscriber(), wholes = ModelSubscriber()
        for version in 0..<8 {
            let updates = try learner.publish()
            #expect(updates.count == (version > 0 && version % 3 == 0 ? 2 : 1))
            for one in updates where one.update.kind == .delta || version == 0 { _ = try deltas.take(one) }
            for one in updates where one.update.kind == .whole { _ = try wholes.take(one) }
            if updates.count == 2 {
                #expect(deltas.digest == wholes.digest)
                #expect(try deltas.take(updates[1]) == nil)  // it has it already
            }
        }
        #expect(wholes.receiver.newest == 6 && deltas.receiver.newest == 7)
    }

    // MARK: Chains

    @Test func whoMissedSomeAsksForTheChain() throws {
        var learner = WalkingLearner(settings()), subscriber = ModelSubscriber()
        _ = try subscriber.take(try learner.publish()[0])
        for _ in 0..<5 { _ = try learner.publish() }
        let late = try learner.publish()[0]
        #expect(subscriber.refusal(of: late) == .missingParent)
        let bytes = subscriber.fetchedBytes
        #expect(try subscriber.catchUp(&learner) > 6)
        #expect(subscriber.digest == learner.state?.digest && subscriber.serving?.update.version == 6)
        #expect(subscriber.fetchedBytes - bytes < 6 * 2_700, "\(subscriber.fetchedBytes)")
        #expect(!subscriber.isFetching && subscriber.requests(at: learner.now).isEmpty)
    }

    @Test func whoHasNothingGetsAWholeModelInPiecesAndTheDeltasAfterIt() throws {
        var learner = WalkingLearner(settings { ($0.wholeEvery, $0.kept) = (4, 2) }), subscriber = ModelSubscriber()
        for _ in 0..<6 { _ = try learner.publish() }
        let questions = try subscriber.catchUp(&learner)
        #expect(questions > 9 && subscriber.digest == learner.state?.digest)
        // So does one whose version is not in the chain any more: a hole.
        var old = ModelSubscriber(), first = WalkingLearner(settings())
        _ = try old.take(try first.publish()[0])
        _ = old.refusal(of: try learner.publish()[0])
        _ = try old.catchUp(&learner)
        #expect(old.digest == learner.state?.digest)
    }

    @Test func whatCameIsGoneOnWithAfterAnInterruption() throws {
        var learner = WalkingLearner(settings { $0.pieceBytes = 1_024 }), subscriber = ModelSubscriber()
        _ = try learner.publish()
        learner.now = Instant(seconds: 1)
        for _ in 0..<4 {
            for request in subscriber.requests(at: learner.now) {
                if let (answer, piece) = learner.answer(request, from: "tester") {
                    _ = try subscriber.take(answer, piece: piece, at: learner.now)
                }
            }
        }
        let before = subscriber.fetchedBytes
        #expect(before == 3 * 1_024)
        // Answers are lost for a while: the same piece is asked for again, later each time.
        var times: [Double] = []
        for second in 2..<40 where !subscriber.requests(at: Instant(seconds: Double(second))).isEmpty { times.append(Double(second)) }
        #expect(times.count < 8 && times.count > 2, "\(times)")
        learner.now = Instant(seconds: 200)
        _ = try subscriber.catchUp(&learner)
        #expect(subscriber.digest == learner.state?.digest)
        #expect(subscriber.fetchedBytes == UInt64(learner.state?.payload.count ?? 0))
    }

    // MARK: Attacks

    @Test func aDeltaOnAnotherParentIsRefused() throws {
        var learner = WalkingLearner(settings()), other = WalkingLearner(settings()), subscriber = ModelSubscriber()
        other.stride = 1
        _ = try subscriber.take(try learner.publish()[0])
        _ = try other.publish()
        _ = try subscriber.take(try learner.publish()[0])
        _ = try other.publish()
        let foreign = try other.publish()[0]
        #expect(subscriber.refusal(of: foreign) == .wrongParent)
        #expect(subscriber.receiver.isBehind && subscriber.serving?.update.version == 1)
        // The learner's own is still accepted.
        #expect(try subscriber.take(try learner.publish()[0])?.update.version == 2)
    }

    @Test func aDeltaThatLeadsElsewhereThanItSaysIsRefused() throws {
        var learner = WalkingLearner(settings()), subscriber = ModelSubscriber()
        _ = try subscriber.take(try learner.publish()[0])
        let before = subscriber.digest
        let good = try learner.publish()[0]
        var changed = good
        changed.update.state[0] ^= 1
        #expect(subscriber.refusal(of: changed) == .wrongDigest)
        changed = good
        changed.payload[changed.payload.count / 2] ^= 1
        #expect(subscriber.refusal(of: changed) == .wrongDigest)
        changed = good
        changed.update.plainBytes += 1
        #expect(subscriber.refusal(of: changed) == .undecodable)
        #expect(subscriber.digest == before)
        #expect(subscriber.refusal(of: good) == nil && subscriber.digest == learner.state?.digest)
    }

    @Test func piecesOfAnotherPayloadDamagedShortAndEndlessOnesAreRefused() throws {
        var learner = WalkingLearner(settings()), subscriber = ModelSubscriber()
        _ = try learner.publish()
        learner.now = Instant(seconds: 1)
        let position = try #require(subscriber.requests(at: learner.now).first)
        _ = try learner.answer(position, from: "tester").map { try subscriber.take($0.0, piece: $0.1, at: learner.now) }
        let request = try #require(subscriber.requests(at: learner.now).first)
        let answered = learner.answer(request, from: "tester")
        let (good, piece) = try #require(answered)
        func reason(_ change: (inout UpdateAnswer, inout [UInt8]) -> Void) -> Reason? {
            var (answer, bytes, copy) = (good, piece, subscriber)
            change(&answer, &bytes)
            do throws(Refusal) {
                _ = try copy.take(answer, piece: bytes, at: learner.now)
                return copy.fetchedBytes > 0 ? nil : .unstamped
            } catch {
                return error.reason
            }
        }
        #expect(reason { _, _ in } == nil)
        #expect(reason { answer, _ in answer.piece.sha256 = digest([1]) } == .wrongDigest)
        #expect(reason { answer, _ in answer.piece.offset = 2_048 } == .wrongDigest)
        #expect(reason { _, bytes in bytes[7] ^= 1 } == .wrongDigest)
        #expect(reason { _, bytes in bytes.removeLast() } == .wrongDigest)
        #expect(reason { _, bytes in bytes = [] } == .wrongDigest)
        // Longer than the payload that was announced, with a digest of its own.
        #expect(
            reason { answer, bytes in
                bytes = [UInt8](repeating: 0, count: 1 << 16)
                answer.pieceSha256 = digest(bytes)
            } == .wrongDigest)
        // A whole payload of other content, in pieces that are right by themselves.
        var forged = piece
        forged[900] ^= 1
        var (answer, reasons) = (good, [Reason]())
        answer.pieceSha256 = digest(forged)
        _ = try subscriber.take(answer, piece: forged, at: learner.now)
        do { _ = try subscriber.catchUp(&learner) } catch let error as Refusal { reasons.append(error.reason) }
        #expect(reasons == [.wrongDigest] && subscriber.serving == nil && !subscriber.isFetching)
        learner.now = learner.now + .seconds(10)
        _ = try subscriber.catchUp(&learner)
        #expect(subscriber.digest == learner.state?.digest)
    }

    @Test func anAnswerWithPayloadsThatAreTooLargeIsRefused() throws {
        var subscriber = ModelSubscriber()
        let now = Instant(seconds: 1)
        #expect(subscriber.requests(at: now).count == 1)
        let answer = UpdateAnswer.with { $0.updates = [.with { $0.payloadBytes = 1 << 40 }] }
        #expect(throws: Refusal.self) { try subscriber.take(answer, piece: [], at: now) }
        // It waits before it asks again, and longer each time.
        #expect(subscriber.requests(at: now + .milliseconds(900)).isEmpty)
        #expect(subscriber.requests(at: now + .milliseconds(1_001)).count == 1)
    }

    @Test func whoAsksForEverIsSlowedDownAndOthersAreNot() throws {
        var learner = WalkingLearner(settings { ($0.subscriberByteRate, $0.byteRate, $0.subscriberRate) = (20_000, 1e6, 1_000) })
        let whole = try learner.publish()[0]
        func ask(_ name: String, _ learner: inout WalkingLearner) -> Bool {
            let request = UpdateRequest.with { $0.piece = .with { $0.sha256 = whole.update.sha256 } }
            return learner.answer(request, from: name).map { $0.0.problem.isEmpty } ?? false
        }
        var received = 0
        for _ in 0..<500 where ask("greedy", &learner) { received += 1 }
        #expect(received == 20)  // of 1,024 bytes each
        let other = ask("other", &learner)
        #expect(other)
        learner.now = learner.now + .seconds(0.5)
        received = 0
        for _ in 0..<500 where ask("greedy", &learner) { received += 1 }
        #expect((9...11).contains(received))
        // Questions alone have a bound too.
        var chatty = WalkingLearner(settings { $0.subscriberRate = 5 })
        _ = try chatty.publish()
        let answers = (0..<50).compactMap { _ in chatty.answer(.with { $0.position = UpdatePosition() }, from: "a") }
        #expect(answers.count { $0.0.problem.isEmpty } == 5 && answers.last?.0.problem == "rateExceeded")
    }

    @Test func aReportThatComesAgainIsCountedOnce() throws {
        var learner = WalkingLearner(settings())
        let whole = try learner.publish()[0]
        let report = UpdateRequest.with { $0.report = .with { ($0.version, $0.sha256, $0.adopted) = (0, whole.update.sha256, true) } }
        #expect(learner.answer(report, from: "a", sequence: 1) == nil)
        #expect(learner.answer(report, from: "a", sequence: 1)?.0.problem == "sequenceRunsBack")
        #expect(learner.answer(report, from: "a", sequence: 3) == nil)
        #expect(learner.answer(report, from: "a", sequence: 2)?.0.problem == "sequenceRunsBack")
        #expect(learner.answer(report, from: "b", sequence: 1) == nil)
        #expect(learner.server.adopted == 3 && learner.server.good == 2)
        // One of another content is counted, and not as of this version.
        let foreign = UpdateRequest.with { $0.report = .with { ($0.sha256, $0.adopted) = (digest([1]), true) } }
        #expect(learner.answer(foreign, from: "c", sequence: 1) == nil)
        #expect(learner.server.adopted == 4 && learner.server.good == 2)
    }

    @Test func theTableOfSubscribersIsBounded() throws {
        var learner = WalkingLearner(settings { $0.subscribers = 4 })
        let whole = try learner.publish()[0]
        let report = UpdateRequest.with { $0.report = .with { ($0.sha256, $0.adopted) = (whole.update.sha256, true) } }
        for index in 0..<100 { #expect(learner.answer(report, from: "s\(index)") == nil) }
        #expect(learner.server.subscriberCount == 4 && learner.server.good == 4)
        let nothing = learner.answer(UpdateRequest(), from: "s1")
        #expect(nothing?.0.problem == "undecodable")
        let unknown = learner.answer(.with { $0.piece = .with { $0.sha256 = digest([9]) } }, from: "s2")
        #expect(unknown?.0.problem == "noUpdate")
        let between = learner.answer(.with { $0.piece = .with { ($0.sha256, $0.offset) = (whole.update.sha256, 7) } }, from: "s2")
        #expect(between?.0.problem == "noUpdate")
        let beyond = learner.answer(.with { $0.piece = .with { ($0.sha256, $0.offset) = (whole.update.sha256, .max) } }, from: "s2")
        #expect(beyond?.0.problem == "noUpdate")
    }

    // MARK: Probes and control

    /// The mean distance of a model's numbers from 0.5, where the learner began.
    private static func drift(_ parameters: ModelParameters) -> Double {
        guard case .state(let state) = parameters else { return .nan }
        let values = state.tensors.flatMap(\.values)
        return values.reduce(0.0) { $0 + Double(abs($1 - 0.5)) } / Double(values.count)
    }

    @Test func aVersionThatIsWorseOnTheProbeSetIsRefusedAndTheNextIsJudgedAnew() throws {
        var learner = WalkingLearner(settings(.exact)), subscriber = ModelSubscriber()
        (subscriber.probe, subscriber.tolerance) = ({ Self.drift($0) }, 0.01)
        #expect(try subscriber.take(try learner.publish()[0]) != nil)
        #expect(try subscriber.take(try learner.publish()[0]) != nil)
        learner.stride = 1
        #expect(subscriber.refusal(of: try learner.publish()[0]) == .worseOnProbes)
        #expect(subscriber.serving?.update.version == 1 && subscriber.worse == 1)
        let reports = subscriber.requests(at: learner.now).compactMap { if case .report(let report)? = $0.request { report } else { nil } }
        #expect(reports.map(\.adopted) == [true, true, false] && reports[2].reason == "worseOnProbes")
        #expect(reports[2].lossAfter > reports[2].lossBefore + 0.01)
        // What was refused is the parent of the next, whose delta is applied to it.
        subscriber.tolerance = 10
        learner.stride = 0
        #expect(try subscriber.take(try learner.publish()[0])?.update.version == 3)
        #expect(subscriber.digest == learner.state?.digest)
    }

    @Test func versionsArePinnedHeldAndRolledBack() throws {
        var learner = WalkingLearner(settings()), subscriber = ModelSubscriber()
        _ = try subscriber.take(try learner.publish()[0])
        let first = subscriber.digest
        subscriber.pin(2)
        #expect(try subscriber.take(try learner.publish()[0]) == nil)
        #expect(try subscriber.take(try learner.publish()[0])?.update.version == 2)
        #expect(try subscriber.take(try learner.publish()[0]) == nil)
        #expect(subscriber.rollBack()?.update.version == 0 && subscriber.digest == first && subscriber.adoption == .held)
        #expect(subscriber.rollBack() == nil)
        #expect(try subscriber.take(try learner.publish()[0]) == nil)
        subscriber.resume()
        #expect(try subscriber.take(try learner.publish()[0])?.update.version == 5 && subscriber.digest == learner.state?.digest)
    }

    // MARK: Some first

    @Test func theOthersWaitForAQuorumOfThoseThatTryAVersionFirst() throws {
        var learner = WalkingLearner(settings { ($0.canaryShare, $0.canaryQuorum, $0.canaryWait) = (0.3, 3, 10) })
        var subscribers = (0..<20).map { ModelSubscriber(named: "s\($0)") }
        let start = try learner.publish()[0]
        for index in subscribers.indices { #expect(try subscribers[index].take(start) != nil) }
        let new = try learner.publish(share: 0.3)[0]
        var first: [Int] = []
        for index in subscribers.indices where try subscribers[index].take(new) != nil { first.append(index) }
        #expect((3...11).contains(first.count), "\(first)")
        for (sequence, index) in first.prefix(3).enumerated() {
            #expect(learner.server.good == sequence && learner.releases().isEmpty)
            for request in subscribers[index].requests(at: learner.now) where request.report.version == 1 {
                #expect(learner.answer(request, from: subscribers[index].name) == nil)
            }
        }
        let release = try #require(learner.releases().first)
        #expect(release.version == 1 && release.released && release.good == 3 && learner.releases().isEmpty)
        for index in subscribers.indices where !first.contains(index) {
            #expect(try subscribers[index].take(release)?.update.version == 1)
            #expect(subscribers[index].digest == learner.state?.digest)
        }
    }

    @Test func whatMoreRefuseThanAdoptIsDiscarded() throws {
        var learner = WalkingLearner(settings { ($0.canaryShare, $0.canaryQuorum, $0.canaryWait) = (0.3, 3, 10) })
        var subscriber = ModelSubscriber(named: "s0")
        _ = try subscriber.take(try learner.publish()[0])
        let new = try learner.publish(share: 1e-9)[0]
        #expect(try subscriber.take(new) == nil)
        let report = UpdateRequest.with {
            $0.report = .with { ($0.version, $0.sha256, $0.reason) = (1, new.update.sha256, "worseOnProbes") }
        }
        #expect(learner.answer(report, from: "s9") == nil)
        #expect(learner.releases().isEmpty)
        learner.now = learner.now + .seconds(11)
        let release = try #require(learner.releases().first)
        #expect(!release.released && release.bad == 1)
        #expect(try subscriber.take(release) == nil && subscriber.serving?.update.version == 0)
        #expect(try subscriber.take(release) == nil)
        #expect(try subscriber.overdue(at: learner.now + .seconds(100)) == nil)
        // The next version is based on it all the same.
        #expect(try subscriber.take(try learner.publish()[0])?.update.version == 2)
    }

    @Test func withoutTheLearnersWordAVersionIsAdoptedAfterTwiceItsWait() throws {
        var learner = WalkingLearner(settings()), subscriber = ModelSubscriber(named: "s0")
        _ = try subscriber.take(try learner.publish()[0])
        for _ in 0..<3 { #expect(try subscriber.take(try learner.publish(share: 1e-9)[0]) == nil) }
        #expect(try subscriber.overdue(at: Instant(seconds: 19)) == nil)
        #expect(try subscriber.overdue(at: Instant(seconds: 20))?.update.version == 3)
        #expect(try subscriber.overdue(at: Instant(seconds: 90)) == nil)
    }

    // MARK: Signed

    @Test func signedDeltasAreBelievedAndChangedOnesAreNot() throws {
        let folder = Folder(), root = UpdateKeys(folder.path("root")), keys = UpdateKeys(folder.path("learner"))
        try root.makeRoot()
        try root.signKey(into: keys, name: "learner", seconds: 3_600, at: WallClock().now.nanoseconds)
        let signer = try PassportSigner(keys, base: [1], settings: [2], code: "1", lifetime: 600), trust = try UpdateTrust(keys, base: [1])
        var learner = WalkingLearner(settings { $0.wholeEvery = 2 }, signer: signer, trust: trust),
            subscriber = ModelSubscriber(trust: trust)
        _ = try subscriber.take(try learner.publish()[0])
        let second = try learner.publish()[0]
        for change in [
            { $0.parentState[0] ^= 1 }, { $0.state[0] ^= 1 }, { $0.plainBytes += 1 }, { $0.kind = .whole }, { $0.parent = 7 },
            { $0.canaryShare = 0.5 }, { $0.canaryWait += 1 }, { $0.sha256[0] ^= 1 },
        ] as [(inout ModelUpdate) -> Void] {
            var changed = second
            change(&changed.update)
            #expect(subscriber.refusal(of: changed) == .badSignature)
        }
        var unsigned = second
        unsigned.update.clearPassport()
        #expect(subscriber.refusal(of: unsigned) == .unsigned)
        #expect(subscriber.refusal(of: second) == nil)
        // Whole models and deltas are one history: a whole one after deltas, a delta after a whole one.
        let third = try learner.publish()
        #expect(third.map(\.update.kind) == [.delta, .whole])
        #expect(subscriber.refusal(of: third[1]) == nil && subscriber.serving?.update.version == 2)
        #expect(subscriber.refusal(of: try learner.publish()[0]) == nil)
        // Replayed, also as if the learner had started again.
        var old = second
        #expect(subscriber.refusal(of: old) == .sequenceRunsBack)
        old = third[1]
        old.update.stamp.epoch = 9
        #expect(subscriber.refusal(of: old) == .rolledBack)
        // Late ones catch up with what is signed alone.
        var late = ModelSubscriber(named: "late", trust: trust)
        _ = try late.catchUp(&learner)
        #expect(late.digest == learner.state?.digest)
    }

    @Test func aSavedDeltaIsVerifiedOffline() throws {
        let folder = Folder(), root = UpdateKeys(folder.path("root")), keys = UpdateKeys(folder.path("learner"))
        try root.makeRoot()
        try root.signKey(into: keys, name: "learner", seconds: 3_600, at: WallClock().now.nanoseconds)
        let trust = try UpdateTrust(keys, base: [1])
        var learner = WalkingLearner(
            settings(), signer: try PassportSigner(keys, base: [1], settings: [2], code: "1", lifetime: 600), trust: trust)
        _ = try learner.publish()
        let delta = try learner.publish()[0], place = folder.path("saved")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        func save(_ payload: [UInt8]) throws {
            try delta.update.serializedData().write(to: URL(filePath: "\(place)/header"))
            try Data(payload).write(to: URL(filePath: "\(place)/part-000"))
        }
        try save(delta.payload)
        #expect(try SavedUpdate(place).verify(trust).passport.kind == .delta)
        try save(Array(delta.payload.dropLast()))
        #expect(throws: Refusal.self) { try SavedUpdate(place).verify(trust) }
    }
}

extension WalkingLearner {
    mutating func releases() -> [UpdateRelease] { server.releases(at: now) }
}
