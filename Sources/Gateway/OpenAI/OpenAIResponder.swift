import Foundation
import Messaging
import NIOHTTP1
import Pipeline
import Schema
import StrictJSON

/// OpenAI's API over the graph: a request is a moment of a session, and its answer what fuse publishes on `answer.<session>/`.
/// https://platform.openai.com/docs/api-reference
struct OpenAIResponder: Sendable {
    /// Publishes messages that are stamped with the session's time, later than any before, in nanoseconds.
    typealias Publish = @Sendable (@escaping @Sendable (_ time: Int64) -> [Outgoing]) async -> Void

    static let prefix = "/v1/"

    private let settings: GatewayConfiguration
    private let codes: AccessCodes
    private let desk: AnswerDesk
    private let publish: Publish
    private let started: Int

    /// - Parameter started: seconds since 1970, when the model could be asked first.
    init(_ settings: GatewayConfiguration, codes: AccessCodes, desk: AnswerDesk, started: Int, publish: @escaping Publish) {
        (self.settings, self.codes, self.desk, self.started, self.publish) = (settings, codes, desk, started, publish)
    }

    func respond(to request: HTTPRequest, of holder: AccessCodes.Holder) async -> HTTPReply {
        switch (request.path, request.method) {
        case ("/v1/models", .GET): return .json(["object": "list", "data": [model]])
        case ("/v1/models/\(CompletionRequest.model)", .GET): return .json(model)
        case ("/v1/chat/completions", .POST): return await complete(request, .chat, of: holder)
        case ("/v1/completions", .POST): return await complete(request, .text, of: holder)
        case ("/v1/chat/completions", _), ("/v1/completions", _), ("/v1/models", _):
            return OpenAIError.server(.methodNotAllowed, "this path takes another method", "wrongMethod").reply
        case (let path, .GET) where path.hasPrefix("/v1/models/"):
            return OpenAIError.unknownModel(String(path.dropFirst("/v1/models/".count))).reply
        default: return OpenAIError.server(.notFound, "there is nothing at this path", "unknownPath").reply
        }
    }

    private var model: JSON {
        ["id": .string(CompletionRequest.model), "object": "model", "created": .integer(started), "owned_by": "accrete"]
    }

    private func complete(_ request: HTTPRequest, _ form: CompletionRequest.Form, of holder: AccessCodes.Holder) async -> HTTPReply {
        do throws(OpenAIError) {
            guard let end = settings.answer.end else { throw .answersAreOff }
            let asked = try CompletionRequest(
                request.body, form,
                within: .init(
                    textBytes: settings.signals.text.maximumBytes, seesPictures: settings.extracted.contains("image"),
                    drawsAsAsked: !settings.decide.text))
            let session = Self.session(of: holder, asked.user)
            guard codes.claim(session, by: holder) else {
                throw .server(.forbidden, "the session \(session) was opened with another code", "foreignSession")
            }
            let pieces = try await ask(asked, in: session, endingWith: end)
            let writer = CompletionWriter(asked, number: pieces.time)
            return asked.isStreamed ? stream(pieces.answer, writer) : try await whole(pieces.answer, writer)
        } catch {
            return error.reply
        }
    }

    /// The session of a code, or of one of its users.
    private static func session(of holder: AccessCodes.Holder, _ user: String) -> String {
        "openai-\(holder.index)" + (user.isEmpty ? "" : "-\(user)")
    }

    private typealias Pieces = AsyncThrowingStream<Answer, any Error>

    /// Publishes the moment.
    private func ask(
        _ asked: CompletionRequest, in session: String, endingWith end: CutKind
    ) async throws(OpenAIError) -> (answer: Pieces, time: Int64) {
        let (opened, continuation) = AsyncStream.makeStream(of: (Pieces, Int64)?.self)
        await publish { time in
            guard let pieces = desk.open("\(session)/\(time)") else {
                continuation.yield(nil)
                return []
            }
            continuation.yield((pieces, time))
            return Self.messages(asked, in: session, at: time, endingWith: end)
        }
        continuation.finish()
        var iterator = opened.makeAsyncIterator()
        guard let found = await iterator.next(), let found else { throw .tooManyQuestions }
        return found
    }

    /// The picture, and the words that end the moment.
    private static func messages(
        _ asked: CompletionRequest, in session: String, at time: Int64, endingWith end: CutKind
    ) -> [Outgoing] {
        func reading(_ modality: String, _ format: String, _ bytes: [UInt8], _ change: (inout SensorReading) -> Void) -> Outgoing? {
            let source = "\(session)-\(modality)"
            var message = SensorReading()
            message.stamp = .with { ($0.source, $0.time, $0.clock) = (source, time, session) }
            (message.session, message.modality, message.format) = (session, modality, format)
            change(&message)
            // The names have been checked.
            return (try? Topics.sensor(modality, source)).map { Outgoing(message, on: $0, payload: [Payload(bytes)]) }
        }
        let picture = asked.picture.flatMap { reading("image", $0.format, $0.bytes) { _ in } }
        let words = reading("text", "text/utf-8", Array(asked.text.utf8)) { ($0.ends, $0.answer) = (end, asked.answer) }
        return [picture, words].compactMap(\.self)
    }

    private func whole(_ pieces: Pieces, _ writer: CompletionWriter) async throws(OpenAIError) -> HTTPReply {
        var writer = writer
        do {
            for try await piece in pieces { try writer.take(piece) }
        } catch {
            throw Self.refusal(of: error)
        }
        guard writer.isDone else { throw Self.refusal(of: AnswerDesk.Failure.lost) }
        return .json(writer.whole)
    }

    /// The answer as events; where it fails, the last is the error.
    private func stream(_ pieces: Pieces, _ writer: CompletionWriter) -> HTTPReply {
        let (events, continuation) = AsyncStream.makeStream(
            of: String.self, bufferingPolicy: .bufferingOldest(settings.gateway.streamEvents))
        let task = Task {
            var writer = writer
            do {
                for try await piece in pieces {
                    for event in try writer.take(piece) { continuation.yield(event.text()) }
                }
                guard writer.isDone else { throw AnswerDesk.Failure.lost }
                for event in writer.closing { continuation.yield(event.text()) }
                continuation.yield("[DONE]")
            } catch {
                continuation.yield(Self.refusal(of: error).json.text())
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return HTTPReply(events: events)
    }

    private static func refusal(of error: any Error) -> OpenAIError {
        switch error {
        case let error as OpenAIError: error
        case AnswerDesk.Failure.late:
            .server(.gatewayTimeout, "the graph did not answer within gateway.answerSeconds", "answerTimedOut")
        default: .server(.badGateway, "a piece of the answer was lost", "answerLost")
        }
    }
}
