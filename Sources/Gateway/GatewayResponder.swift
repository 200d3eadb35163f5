import Foundation
import Messaging
import NIOHTTP1
import Pipeline
import Presentation
import Schema
import Statistics
import StrictJSON
import Synchronization

/// Answers requests: pages, readings, feedback, events and metrics.
final class GatewayResponder: Sendable {
    private let codes: AccessCodes
    private let rates: ClientRates
    private let metrics: GatewayMetrics
    private let hub: EventHub
    private let view: GraphView
    private let names: LabelNames
    private let openAI: OpenAIResponder
    private let publish: @Sendable ([Outgoing]) async -> Void
    private let settings: GatewayConfiguration
    private let clock: any TimeSource
    /// The newest epoch and sequence of each session's batches.
    private let newest: Mutex<RecentTable<String, Place>>

    private struct Place {
        var epoch: UInt64, sequence: UInt64
    }

    init(
        _ settings: GatewayConfiguration, codes: AccessCodes, rates: ClientRates, metrics: GatewayMetrics, hub: EventHub, view: GraphView,
        names: LabelNames, openAI: OpenAIResponder, clock: any TimeSource, publish: @escaping @Sendable ([Outgoing]) async -> Void
    ) {
        (self.settings, self.codes, self.rates, self.metrics, self.hub, self.view) = (settings, codes, rates, metrics, hub, view)
        (self.names, self.openAI, self.clock, self.publish) = (names, openAI, clock, publish)
        newest = Mutex(RecentTable(capacity: settings.gateway.maximumSessions))
    }

    /// Decides on a request by its head: its rate, its path, its access code.
    func admit(_ request: HTTPRequest) -> HTTPAdmission {
        guard rates.allows(request.client, at: clock.now) else {
            return .refused(.refuse(.tooManyRequests, "tooManyRequests", "more than gateway.requestRate requests a second"))
        }
        guard request.path.hasPrefix("/"), !request.path.contains(".."), !request.path.contains("%") else {
            return .refused(.refuse(.badRequest, "badPath", "a path has no .. and no escapes"))
        }
        if let page = Pages.all[request.path] {
            guard [.GET, .HEAD].contains(request.method) else { return .refused(Self.wrongMethod) }
            return .accepted { _ in HTTPReply(.ok, type: page.type, Array(page.text.utf8)) }
        }
        switch holder(of: request) {
        case .success(let holder): return .accepted { await self.route($0, of: holder) }
        case .failure(let refusal): return .refused(refusal.reply)
        }
    }

    private struct Refused: Error { let reply: HTTPReply }

    /// Checks the access code.
    private func holder(of request: HTTPRequest) -> Result<AccessCodes.Holder, Refused> {
        guard !rates.isBarred(request.client, at: clock.now) else {
            return .failure(Refused(reply: .refuse(.tooManyRequests, "tooManyWrongCodes", "too many wrong access codes; wait a minute")))
        }
        guard let code = request.code else {
            return .failure(Refused(reply: Self.unauthorized(request, "noCode", "an access code is wanted: Authorization: Bearer CODE")))
        }
        guard let holder = codes.holder(of: code) else {
            rates.noteWrongCode(of: request.client, at: clock.now)
            return .failure(Refused(reply: Self.unauthorized(request, "wrongCode", "the access code is wrong")))
        }
        return .success(holder)
    }

    /// OpenAI's clients know a wrong code by another name.
    private static func unauthorized(_ request: HTTPRequest, _ reason: String, _ why: String) -> HTTPReply {
        let code = request.path.hasPrefix(OpenAIResponder.prefix) ? "invalid_api_key" : reason
        return OpenAIError(status: .unauthorized, code: code, member: nil, message: why, reason: reason).reply
    }

    private static let wrongMethod = HTTPReply.refuse(.methodNotAllowed, "wrongMethod", "this path takes another method")

    private func route(_ request: HTTPRequest, of holder: AccessCodes.Holder) async -> HTTPReply {
        switch (request.path, request.method) {
        case ("/metrics", .GET): exposition
        case ("/api/state", .GET): .json(state(for: holder))
        case ("/api/names", .GET): .json(["names": names.json])
        case ("/api/events", .GET): events(request, of: holder)
        case ("/api/readings", .POST): await take(readings: request, of: holder)
        case ("/api/feedback", .POST): await take(feedback: request, of: holder)
        case (let path, .GET) where path.hasPrefix(Self.pictures): picture(path.dropFirst(Self.pictures.count), for: holder)
        case ("/metrics", _), ("/api/state", _), ("/api/names", _), ("/api/events", _), ("/api/readings", _), ("/api/feedback", _):
            Self.wrongMethod
        case (let path, _) where path.hasPrefix(OpenAIResponder.prefix): await openAI.respond(to: request, of: holder)
        default: .refuse(.notFound, "unknownPath", "there is nothing at this path")
        }
    }

    private var exposition: HTTPReply {
        let text = Exposition(
            view.newest, metrics.now, streams: hub.count, connections: rates.openConnections, memory: ProcessMemory.peak
        ).text
        return HTTPReply(.ok, type: Exposition.type, Array(text.utf8))
    }

    /// What a page shows that has just been opened.
    private func state(for holder: AccessCodes.Holder) -> JSON {
        let now = view.newest, counts = metrics.now
        var stages: [String: JSON] = [:]
        var iterator = now.statuses.makeIterator()
        while let (stage, status) = iterator.next() { stages[stage] = status.json }
        return .object([
            "stages": .object(stages), "publications": .array(now.publications), "triggers": .array(now.triggers),
            "predictions": .array(now.predictions.filter { codes.mayWatch($0.session, holder) }.map(\.event)),
            "scores": now.summary?.json ?? .null, "course": .array(now.course), "refused": .counts(counts.refusals),
            "published": .counts(counts.published),
            "verdict": now.verdict.map { ["decision": .string($0.decision), "reason": .string($0.reason), "version": .count($0.version)] }
                ?? .null,
            "latency": [
                "bounds": .array(Histogram.bounds.map { .number($0) }), "predictions": .array(counts.predictions.counts.map(JSON.count)),
            ],
        ])
    }

    private static let pictures = "/api/pictures/"

    /// A picture of one of the newest moments.
    private func picture(_ number: Substring, for holder: AccessCodes.Holder) -> HTTPReply {
        guard let number = Int(number), let picture = view.picture(number) else {
            return .refuse(.notFound, "noPicture", "no picture of the newest moments has this number")
        }
        guard codes.mayWatch(picture.session, holder) else { return Self.foreign }
        return HTTPReply(.ok, type: picture.type, picture.bytes)
    }

    private func events(_ request: HTTPRequest, of holder: AccessCodes.Holder) -> HTTPReply {
        let session = request.query["session"]
        if let session {
            guard TopicComponent.isValid(session) else { return .refuse(.badRequest, "badSession", "no name of a session") }
            guard codes.claim(session, by: holder) else { return Self.foreign }
        }
        guard let events = hub.open(session: session, mayWatch: { [codes] in codes.mayWatch($0, holder) }) else {
            return .refuse(.serviceUnavailable, "tooManyStreams", "gateway.maximumStreams are open")
        }
        return HTTPReply(events: events)
    }

    private static let foreign = HTTPReply.refuse(.forbidden, "foreignSession", "the session was opened with another code")

    private func take(readings request: HTTPRequest, of holder: AccessCodes.Holder) async -> HTTPReply {
        let batch: ReadingBatch, messages: [Outgoing]
        do {
            batch = try ReadingBatch(request.body, limit: settings.gateway.batchReadings)
            messages = try batch.messages()
        } catch let refusal as Refusal {
            return .refuse(.badRequest, refusal.reason.rawValue, refusal.detail)
        } catch {
            return .refuse(.badRequest, "badSession", "\(error)")
        }
        guard codes.claim(batch.session, by: holder) else { return Self.foreign }
        guard isNew(batch) else { return .refuse(.conflict, "replayed", "a batch of this epoch and sequence has come before") }
        await publish(messages)
        for one in batch.refused { metrics.refused(one.reason) }
        let refused = JSON.array(batch.refused.map { ["index": .integer($0.index), "reason": .string($0.reason)] })
        let nothing = batch.readings.isEmpty && !batch.refused.isEmpty
        return .json(["accepted": .integer(batch.readings.count), "refused": refused], status: nothing ? .unprocessableEntity : .ok)
    }

    /// Whether a batch comes after all others of its session; notes it.
    private func isNew(_ batch: ReadingBatch) -> Bool {
        newest.withLock { newest in
            if let last = newest[batch.session], (batch.epoch, batch.sequence) <= (last.epoch, last.sequence) { return false }
            newest.set(Place(epoch: batch.epoch, sequence: batch.sequence), for: batch.session)
            return true
        }
    }

    private func take(feedback request: HTTPRequest, of holder: AccessCodes.Holder) async -> HTTPReply {
        var message: Feedback
        let name: String?
        do throws(Refusal) {
            (message, name) = try Self.feedback(request.body)
        } catch {
            return .refuse(.badRequest, error.reason.rawValue, error.detail)
        }
        guard codes.owns(message.session, holder) else { return Self.foreign }
        guard let topic = try? Topics.feedback(message.session) else {
            return .refuse(.badRequest, "badSession", "no name of a session")
        }
        guard let name else {
            await publish([Outgoing(message, on: topic)])
            return .json(["accepted": 1])
        }
        do throws(LabelNames.Problem) {
            let (label, isNew) = try names.label(of: name, among: Int(message.classes))
            if isNew { hub.send(["type": "names", "names": names.json]) }
            message.label = UInt32(label)
        } catch {
            return Self.refusal(of: error)
        }
        await publish([Outgoing(message, on: topic)])
        return .json(["accepted": 1, "label": .integer(Int(message.label))])
    }

    private static func refusal(of problem: LabelNames.Problem) -> HTTPReply {
        switch problem {
        case .invalid: .refuse(.badRequest, "badName", "a name has 1 to \(LabelNames.longest) printable characters")
        case .full: .refuse(.conflict, "noFreeLabel", "all labels have other names (model.classes, gateway.maximumNames)")
        case .unstored(let why): .refuse(.insufficientStorage, "unstored", why)
        }
    }

    /// `{"session": "phone-1f", "moment": "phone-1f/1700", "time": 1700000000123, "label": 3, "classes": 16}`; or with `text`, the right
    /// answer in words; or with `decision` and `reward`; or with `name` in place of `label`, what people call it.
    private static func feedback(_ body: [UInt8]) throws(Refusal) -> (Feedback, name: String?) {
        let json: JSON
        do { json = try JSON(parsing: body) } catch { throw Refusal(.undecodable, "\(error)") }
        guard let session = json["session"]?.string, let moment = json["moment"]?.string, moment.hasPrefix(session + "/") else {
            throw Refusal(.undecodable, "feedback wants a session and one of its moments")
        }
        var feedback = Feedback()
        (feedback.session, feedback.moment) = (session, moment)
        let time = json["time"]?.double ?? 0
        guard time.isFinite, (0...9e12).contains(time) else { throw Refusal(.clockInFuture, "time is in milliseconds") }
        feedback.stamp = .with { ($0.source, $0.time, $0.clock) = (session, Int64(time * 1_000_000), session) }
        feedback.knownAt = feedback.stamp.time
        let classes = json["classes"]?.integer ?? 0, name = json["name"]?.string
        guard (0...Int(UInt32.max)).contains(classes) else { throw Refusal(Reason(rawValue: "labelOutOfRange"), "classes are counted") }
        if name != nil { feedback.classes = UInt32(classes) }
        if let label = json["label"]?.integer {
            guard name == nil, label >= 0, label < max(classes, 1) else {
                throw Refusal(Reason(rawValue: "labelOutOfRange"), "a label is below classes, and is given or named")
            }
            (feedback.label, feedback.classes) = (UInt32(label), UInt32(classes))
        }
        if let reward = json["reward"]?.double, let decision = json["decision"]?.string, decision.hasPrefix(session + "/") {
            guard reward.isFinite else { throw Refusal(.nonFinite, "the reward") }
            (feedback.reward, feedback.decision) = (reward, decision)
        }
        feedback.consent = try ReadingBatch.consent(json["consent"])
        // Names are kept in a file.
        guard name == nil || feedback.consent.isKept else {
            throw Refusal(.wrongConsent, "what something is called is kept: give its label, or the class learnHere or share")
        }
        if let text = json["text"]?.string {
            guard text.utf8.count <= correctionBytes else { throw Refusal(.tooLarge, "a text of more than \(correctionBytes) bytes") }
            feedback.text = text
        }
        guard feedback.hasLabel || name != nil || feedback.hasReward || !feedback.text.isEmpty else {
            throw Refusal(Reason(rawValue: "emptyFeedback"), "feedback brings a label, a text, or a reward of a decision of the session")
        }
        return (feedback, name)
    }

    /// The greatest size of a correction, as of the feedback that ingest takes.
    private static let correctionBytes = 4096
}
