import Messaging
import Pipeline
import Presentation
import Schema
import Statistics
import StrictJSON
import Synchronization

/// What the graph has published last, and the events that it makes for phones and browsers.
final class GraphView: Sendable {
    /// The newest messages.
    struct Newest: Sendable {
        var statuses = RecentTable<String, Status>(capacity: 64)
        var update: ModelUpdate?
        var verdict: Verdict?
        var summary: EvaluationSummary?
        /// Reasons of the newest publications, and lines of the ledger of triggers.
        var publications: [JSON] = []
        var triggers: [JSON] = []
        /// The newest predictions.
        var predictions: [(session: String, event: JSON)] = []
        /// The losses of the newest summaries, oldest first.
        var course: [JSON] = []
        /// Bytes of answers that do not end a character yet, by moment.
        var unfinished = RecentTable<String, [UInt8]>(capacity: 64)
        /// Pictures and words of the newest moments.
        var scenes = Scenes()
        /// Messages that could not be read.
        var undecodable: UInt64 = 0
    }

    /// The modalities whose readings are shown.
    private static let picture = "image", words = "text"

    /// The topics that are shown.
    static let topics = [
        "\(Topics.sample.prefix)\(picture)/", "\(Topics.sample.prefix)\(words)/",
        Topics.status.prefix, Topics.prediction.prefix, Topics.answer.prefix, Topics.action.prefix, Topics.reliability.prefix,
        Topics.modelUpdate.prefix, Topics.modelVerdict.prefix, Topics.triggerLedger.prefix, Topics.evaluationSummary.prefix,
    ]

    private static let kept = 32, shown = 12, courseLength = 240

    private let state = Mutex(Newest())
    private let hub: EventHub
    private let desk: AnswerDesk
    private let metrics: GatewayMetrics

    init(hub: EventHub, desk: AnswerDesk, metrics: GatewayMetrics) { (self.hub, self.desk, self.metrics) = (hub, desk, metrics) }

    /// The newest messages.
    var newest: Newest { state.withLock { $0 } }

    /// A picture of one of the newest moments, by its number in the prediction's event.
    func picture(_ number: Int) -> Scenes.Picture? { state.withLock { $0.scenes.picture(number) } }

    /// Takes messages until the subscriber ends.
    func follow(_ subscriber: Subscriber) async {
        for await batch in subscriber {
            for index in 0..<batch.count { take(batch[index]) }
        }
    }

    /// Takes a message; one that cannot be read is counted.
    func take(_ message: WireMessage) {
        do throws(Refusal) {
            try read(message)
        } catch {
            state.withLock { $0.undecodable = $0.undecodable.clampedAdding(1) }
        }
    }

    private func read(_ message: WireMessage) throws(Refusal) {
        let topic = message.topic
        switch topic {
        case _ where Topics.status.components(of: topic) != nil:
            let status: Status = try message.decode()
            state.withLock { _ = $0.statuses.set(status, for: status.stage) }
            hub.send(["type": "status", "stage": .string(status.stage), "status": status.json])
        case _ where Topics.prediction.components(of: topic) != nil:
            let prediction: Prediction = try message.decode()
            metrics.predicted(after: prediction.latency)
            let event = state.withLock { state in
                let (picture, words) = state.scenes.predicted(in: prediction.session)
                let event = prediction.json(picture: picture, words: words)
                state.predictions.append((prediction.session, event))
                if state.predictions.count > Self.shown { state.predictions.removeFirst() }
                return event
            }
            hub.send(event, of: prediction.session)
        case _ where Topics.sample.components(of: topic) != nil: take(try message.decode() as Sample, message.payload)
        case _ where Topics.answer.components(of: topic) != nil: try take(try message.decode() as Answer)
        case _ where Topics.action.components(of: topic) != nil:
            let action: Action = try message.decode()
            hub.send(
                [
                    "type": "action", "session": .string(action.session), "moment": .string(action.moment),
                    "decision": .string(action.decision),
                ],
                of: action.session)
        case _ where Topics.reliability.components(of: topic) != nil:
            let change: ReliabilityChange = try message.decode()
            hub.send(
                [
                    "type": "reliability", "session": .string(change.session), "modality": .string(change.modality),
                    "muted": .bool(change.muted), "cause": .string(change.cause),
                ], of: change.session)
        case _ where Topics.modelUpdate.components(of: topic) != nil:
            let update: ModelUpdate = try message.decode()
            keep(update.json, in: \.publications) { $0.update = update }
        case _ where Topics.modelVerdict.components(of: topic) != nil:
            let verdict: Verdict = try message.decode()
            state.withLock { $0.verdict = verdict }
            hub.send([
                "type": "verdict", "version": .integer(Int(clamping: verdict.version)), "decision": .string(verdict.decision),
                "reason": .string(verdict.reason),
            ])
        case _ where Topics.triggerLedger.components(of: topic) != nil:
            let part: TriggerLedgerPart = try message.decode()
            for line in part.lines.suffix(Self.kept) { keep(line.json, in: \.triggers) { _ in } }
        case _ where Topics.evaluationSummary.components(of: topic) != nil:
            let summary: EvaluationSummary = try message.decode()
            state.withLock { state in
                state.summary = summary
                state.course.append(summary.losses)
                if state.course.count > Self.courseLength { state.course.removeFirst() }
            }
            hub.send(["type": "scores", "scores": summary.json])
        default: break  // a topic whose name begins like one of ours
        }
    }

    private func keep(_ event: JSON, in list: WritableKeyPath<Newest, [JSON]>, _ change: (inout Newest) -> Void) {
        state.withLock { state in
            change(&state)
            state[keyPath: list].append(event)
            if state[keyPath: list].count > Self.kept { state[keyPath: list].removeFirst() }
        }
        hub.send(event)
    }

    /// Keeps what is seen and said, to be shown with the moment's prediction.
    private func take(_ sample: Sample, _ payload: [MessagePart]) {
        guard case .reading(let reading)? = sample.content, let part = payload.first else { return }
        guard ConsentClass(reading.consent) != .notStored else {
            // Nor is the picture before it shown with its moment.
            if reading.modality == Self.picture { state.withLock { $0.scenes.see([], format: "", in: reading.session) } }
            return
        }
        switch reading.modality {
        case Self.picture:
            let bytes = part.count <= Scenes.mostBytes ? [UInt8](part) : []
            state.withLock { $0.scenes.see(bytes, format: reading.format, in: reading.session) }
        case Self.words where part.count <= Scenes.mostBytes:
            let words = String(decoding: [UInt8](part).prefix(Scenes.mostWords), as: UTF8.self)
            state.withLock { $0.scenes.hear(words, in: reading.session) }
        default: break
        }
    }

    /// Sends a piece of an answer, without the bytes of a character that goes on in the next piece.
    private func take(_ answer: Answer) throws(Refusal) {
        desk.take(answer)
        if answer.piece == 0 { metrics.answeredInWords(after: answer.latency) }
        let text = state.withLock { state in
            let bytes = (state.unfinished.remove(answer.moment) ?? []) + answer.text
            guard answer.end.isEmpty else { return String(decoding: bytes, as: UTF8.self) }
            let whole = bytes.count - UTF8.unfinishedBytes(of: bytes)
            if whole < bytes.count { state.unfinished.set(Array(bytes[whole...]), for: answer.moment) }
            return String(decoding: bytes[..<whole], as: UTF8.self)
        }
        hub.send(
            [
                "type": "answer", "session": .string(answer.session), "moment": .string(answer.moment),
                "piece": .integer(Int(answer.piece)), "text": .string(text), "end": .string(answer.end),
                "version": .integer(Int(clamping: answer.modelVersion)),
            ], of: answer.session)
    }
}

extension UTF8 {
    /// The number of bytes at the end that begin a character and do not end it, 0 … 3. https://www.rfc-editor.org/rfc/rfc3629
    static func unfinishedBytes(of bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let byte = bytes[bytes.count - count]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let length = byte >= 0b1111_0000 ? 4 : byte >= 0b1110_0000 ? 3 : byte >= 0b1100_0000 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }
}
