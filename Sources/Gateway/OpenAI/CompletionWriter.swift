import NIOHTTP1
import Schema
import StrictJSON

/// Writes an answer in the form in which it was asked for, whole or in chunks.
struct CompletionWriter {
    private let asked: CompletionRequest
    private let id: String
    private let created: Int
    private var text = ""
    /// Bytes that do not end a character yet.
    private var unfinished: [UInt8] = []
    private var promptTokens = 0, tokens = 0
    private var version: UInt64 = 0
    private var end = ""

    /// - Parameter number: of the answer; nanoseconds since 1970.
    init(_ asked: CompletionRequest, number: Int64) {
        self.asked = asked
        id = (asked.form == .chat ? "chatcmpl-" : "cmpl-") + "\(number)"
        created = Int(number / 1_000_000_000)
    }

    /// Whether the last piece has come.
    var isDone: Bool { !end.isEmpty }

    /// Takes a piece of the answer.
    /// - Returns: the chunks of a stream.
    /// - Throws: `OpenAIError` where the model could not answer.
    @discardableResult mutating func take(_ piece: Answer) throws(OpenAIError) -> [JSON] {
        promptTokens = Int(piece.promptTokens)
        tokens += piece.tokens.count
        (version, end) = (piece.modelVersion, piece.end)
        if end == "notFinite" { throw .server(.internalServerError, "the model's numbers are not finite", "answerNotFinite") }
        if end == "context", tokens == 0 {
            throw .tooLong("the text fills the model's context (model.text.length)", of: asked.form == .chat ? "messages" : "prompt")
        }
        unfinished += piece.text
        let rest = isDone ? 0 : UTF8.unfinishedBytes(of: unfinished)
        let new = String(decoding: unfinished.dropLast(rest), as: UTF8.self)
        unfinished = Array(unfinished.suffix(rest))
        text += new
        return (piece.piece == 0 ? opening : []) + (new.isEmpty ? [] : [chunk(new)])
    }

    private var finish: JSON { ["length", "context"].contains(end) ? "length" : "stop" }

    private var usage: JSON {
        [
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(tokens), "total_tokens": .integer(promptTokens + tokens),
        ]
    }

    private func object(_ kind: String, _ choices: [JSON], _ more: [String: JSON] = [:]) -> JSON {
        .object(
            [
                "id": .string(id), "object": .string(kind), "created": .integer(created), "model": .string(CompletionRequest.model),
                "system_fingerprint": .string("accrete-\(version)"), "choices": .array(choices),
            ].merging(more) { $1 })
    }

    private var chunkKind: String { asked.form == .chat ? "chat.completion.chunk" : "text_completion" }

    private func chunk(_ text: String) -> JSON {
        switch asked.form {
        case .chat: chunk(delta: ["content": .string(text)], finish: .null)
        case .text: object(chunkKind, [["index": 0, "text": .string(text), "logprobs": .null, "finish_reason": .null]], usageOfChunks)
        }
    }

    private func chunk(delta: JSON, finish: JSON) -> JSON {
        object(chunkKind, [["index": 0, "delta": delta, "logprobs": .null, "finish_reason": finish]], usageOfChunks)
    }

    /// Where the usage is wanted, all chunks but the last say that they have none.
    private var usageOfChunks: [String: JSON] { asked.wantsUsage ? ["usage": .null] : [:] }

    /// The chunk before the text of the first piece.
    private var opening: [JSON] { asked.form == .chat ? [chunk(delta: ["role": "assistant", "content": ""], finish: .null)] : [] }

    /// The chunks behind the last piece.
    var closing: [JSON] {
        let last =
            asked.form == .chat
            ? chunk(delta: [:], finish: finish)
            : object(chunkKind, [["index": 0, "text": "", "logprobs": .null, "finish_reason": finish]], usageOfChunks)
        return [last] + (asked.wantsUsage ? [object(chunkKind, [], ["usage": usage])] : [])
    }

    /// The whole answer.
    var whole: JSON {
        switch asked.form {
        case .chat:
            object(
                "chat.completion",
                [
                    [
                        "index": 0, "message": ["role": "assistant", "content": .string(text), "refusal": .null], "logprobs": .null,
                        "finish_reason": finish,
                    ]
                ], ["usage": usage])
        case .text:
            object(
                "text_completion", [["index": 0, "text": .string(text), "logprobs": .null, "finish_reason": finish]], ["usage": usage])
        }
    }
}
