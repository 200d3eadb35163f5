import Configuration
import Messaging
import Pipeline
import Schema
import Statistics
import Tensors
import Updates

/// A stage's subscription to the learner's models: checks updates, in live mode on a queue of their own, keeps those that are adopted, asks
/// for what was missed, and reports what became of each.
package struct ModelSubscription {
    /// The versions that are adopted.
    package var models: AdoptedModels
    private var subscriber: ModelSubscriber
    /// Checks updates apart; nil where they are checked as they come.
    private let queue: UpdateQueue?
    /// Whether the learner answers questions and takes reports.
    private let asks: Bool
    private let topic: Topic<UpdateRequest>?
    package private(set) var drops = Drops()

    /// - Parameters:
    ///   - name: of the stage.
    ///   - layout: of the parameters that updates must have.
    ///   - apart: whether updates are checked on a queue of their own, so that predictions do not wait for the digest of a large one.
    /// - Throws: `FileError` and `UpdateKeyError` where there are no root keys; the error of reading the trunk's files.
    package init(_ settings: GraphSettings, _ name: String, _ layout: ParameterLayout, apart: Bool) throws {
        let trust = try settings.updateTrust()
        models = AdoptedModels(layout: layout, capacity: settings.updateCapacity)
        subscriber = ModelSubscriber(
            name, layout.shapes, trust: trust, widestJump: settings.security.widestJump, largest: settings.messaging.updateBytes)
        queue = apart && settings.mode == .live ? UpdateQueue(subscriber.receiver) : nil
        asks = settings.answersSubscribers
        topic = try? Topics.updateRequest(name)
    }

    /// Tries each version on examples before it serves; a version that loses more on them by more than the tolerance is refused.
    package mutating func `try`(on probes: ProbeSet, tolerance: Double) {
        subscriber.probe = { probes.loss(of: $0) }
        (subscriber.probeIsFixed, subscriber.tolerance) = (false, tolerance)
    }

    private var receiver: ModelReceiver { queue?.receiver ?? subscriber.receiver }

    /// The state of the subscription for a status.
    package var gauges: [String: Double] {
        var gauges = ["missedVersions": Double(receiver.missed)]
        if receiver.isFrozen { gauges["updatesFrozen"] = 1 }
        if asks { gauges["updateBytesFetched"] = Double(subscriber.fetchedBytes) }
        return gauges
    }

    /// Takes an update that was published.
    /// - Returns: whether it was checked at once.
    /// - Throws: what `ModelSubscriber.take` throws; `overflow` where too many wait to be checked.
    package mutating func take(_ update: ModelUpdate, payload message: WireMessage, at now: Instant) throws(Refusal) -> Bool {
        let frames = message.payload
        return try take(update, parts: frames.map { $0.withUnsafeBytes(\.self) }, owner: frames, at: now)
    }

    private mutating func take(
        _ update: ModelUpdate, parts: [UnsafeRawBufferPointer], owner: any Sendable, at now: Instant
    ) throws(Refusal) -> Bool {
        if let queue {
            try queue.post(update, parts: parts, owner: owner) { [subscriber] in subscriber.trial(of: $0) }
            return false
        }
        if let version = try subscriber.take(update, parts: parts, owner: owner, at: now) { models.append(version) }
        return true
    }

    /// Takes the learner's answer to a question.
    /// - Returns: the update that was checked at once; nil where there is none.
    /// - Throws: what `UpdateFetcher.take` throws, and `take` of the update that is complete.
    package mutating func take(_ answer: UpdateAnswer, payload message: WireMessage, at now: Instant) throws(Refusal) -> ModelUpdate? {
        let piece: [UInt8] = message.payload.first.map { Array($0) } ?? []
        guard let fetched = try subscriber.take(answer, piece: piece, at: now) else { return nil }
        let payload = Payload(fetched.payload)
        do throws(Refusal) {
            let parts = payload.withUnsafeBytes { bytes in fetched.frames.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) } }
            let isChecked = try take(fetched.update, parts: parts, owner: payload, at: now)
            return isChecked ? fetched.update : nil
        } catch {
            subscriber.discard(at: now)
            throw error
        }
    }

    /// Takes the learner's word on a version that others have tried.
    /// - Throws: what `ModelSubscriber.take` throws.
    package mutating func take(_ release: UpdateRelease) throws(Refusal) {
        if let version = try subscriber.take(release) { models.append(version) }
    }

    /// Adopts what has been checked apart, and what has waited long enough.
    /// - Returns: the updates that were checked, in order.
    package mutating func advance(at now: Instant) -> [ModelUpdate] {
        var checked: [ModelUpdate] = []
        for one in queue?.fetch() ?? [] {
            do throws(Refusal) {
                if let version = try one.version.get(), let adopted = try subscriber.decide(on: version, tried: one.trial, at: now) {
                    models.append(adopted)
                }
                checked.append(one.update)
            } catch {
                drops.count(error.reason, because: error.detail)
                subscriber.noteRefused(one.update, error)
                if subscriber.isFetching, error.reason != .missingParent { subscriber.discard(at: now) }
            }
        }
        do throws(Refusal) {
            if let version = try subscriber.overdue(at: now) { models.append(version) }
        } catch {
            drops.count(error.reason, because: error.detail)
        }
        return checked
    }

    /// What is to be sent to the learner.
    package mutating func requests(at now: Instant) -> [Outgoing] {
        guard asks, let topic else { return [] }
        if let queue { subscriber.receiver = queue.receiver }
        return subscriber.requests(at: now, asks: queue?.isIdle ?? true).map { Outgoing($0, on: topic).asked() }
    }
}
