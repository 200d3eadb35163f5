import NIOHTTP1
import StrictJSON

/// A refusal in OpenAI's form. https://platform.openai.com/docs/guides/error-codes
struct OpenAIError: Error, Sendable, Equatable {
    let status: HTTPResponseStatus
    /// As OpenAI names it; nil for what it has no name for.
    let code: String?
    /// The member of the request that is at fault.
    let member: String?
    let message: String
    /// As it is counted.
    let reason: String

    static func invalid(_ message: String, of member: String? = nil) -> OpenAIError {
        OpenAIError(status: .badRequest, code: nil, member: member, message: message, reason: "invalidRequest")
    }

    static func unsupported(_ member: String, _ what: String) -> OpenAIError {
        OpenAIError(
            status: .badRequest, code: "unsupported_parameter", member: member, message: "\(member): \(what)",
            reason: "unsupportedParameter")
    }

    static func unknownModel(_ name: String) -> OpenAIError {
        OpenAIError(
            status: .notFound, code: "model_not_found", member: "model",
            message: "there is no model '\(name.prefix(64))', only \(CompletionRequest.model)", reason: "unknownModel")
    }

    static func tooLong(_ message: String, of member: String) -> OpenAIError {
        OpenAIError(
            status: .badRequest, code: "context_length_exceeded", member: member, message: message, reason: "contextLengthExceeded")
    }

    static let answersAreOff = OpenAIError(
        status: .badRequest, code: "model_not_available", member: nil,
        message: "this graph answers no moments; it is started with --set 'answer.after=[utterance]'", reason: "answersAreOff")

    static let tooManyQuestions = OpenAIError(
        status: .tooManyRequests, code: "rate_limit_exceeded", member: nil, message: "answer.maximumWaiting questions wait already",
        reason: "tooManyQuestions")

    static func server(_ status: HTTPResponseStatus, _ message: String, _ reason: String) -> OpenAIError {
        OpenAIError(status: status, code: nil, member: nil, message: message, reason: reason)
    }

    private static func kind(of status: HTTPResponseStatus) -> String {
        switch status.code {
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
    }

    /// The body of the response, and the last event of a stream that fails.
    var json: JSON {
        [
            "error": [
                "message": .string(message), "type": .string(Self.kind(of: status)), "param": member.map { .string($0) } ?? .null,
                "code": code.map { .string($0) } ?? .null,
            ]
        ]
    }

    var reply: HTTPReply {
        var reply = HTTPReply.json(json, status: status)
        reply.refusal = reason
        return reply
    }
}
