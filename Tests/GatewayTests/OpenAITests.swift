import Foundation
import Messaging
import NIOHTTP1
import Schema
import StrictJSON
import Testing

@testable import Gateway

/// OpenAI's API over a graph that answers at once.
struct OpenAITests {
    /// A graph that answers every moment in these pieces, the last of which ends it.
    private func rig(_ pieces: [String], end: String = "endOfText", _ change: (inout GatewayConfiguration) -> Void = { _ in }) throws -> Rig
    {
        let rig = try Rig(change)
        rig.graph.withLock { graph in
            graph = { rig, message in
                guard let reading = message.message as? SensorReading, reading.ends != .none else { return }
                for (index, text) in pieces.enumerated() {
                    rig.desk.take(
                        .with {
                            ($0.moment, $0.piece, $0.modelVersion) = ("\(reading.session)/\(reading.stamp.time)", UInt32(index), 7)
                            ($0.text, $0.tokens, $0.promptTokens) = (Data(text.utf8), text.utf8.map { UInt32($0) }, 5)
                            $0.end = index == pieces.count - 1 ? end : ""
                        })
                }
            }
        }
        return rig
    }

    private static func chat(_ more: [String: JSON] = [:]) -> JSON {
        .object(
            ["model": "accrete", "messages": [["role": "user", "content": "what is this"]]].merging(more) { $1 })
    }

    private func post(_ rig: Rig, _ body: JSON, _ path: String = "/v1/chat/completions") async throws -> (status: UInt, json: JSON) {
        let reply = try await rig.send(.POST, path, Array(body.text().utf8))
        guard case .bytes(let bytes) = reply.body else { throw Unexpected() }
        return (reply.status.code, try JSON(parsing: bytes))
    }

    private struct Unexpected: Error {}

    @Test func aQuestionIsAMomentAndItsAnswerIsTheGraphs() async throws {
        let rig = try rig(["a cup", " of tea"])
        let picture: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0]
        let url = "data:image/jpeg;base64," + Data(picture).base64EncodedString()
        let content: JSON = [["type": "text", "text": "what is this"], ["type": "image_url", "image_url": ["url": .string(url)]]]
        let (status, json) = try await post(
            rig,
            [
                "model": "accrete", "messages": [["role": "system", "content": "Be brief."], ["role": "user", "content": content]],
                "temperature": 0.5, "top_p": 0.9, "seed": -3, "max_tokens": 20, "stop": ["\n"], "user": "ann", "n": 1,
                "presence_penalty": 0.0, "tools": .null,
            ])
        #expect(status == 200 && json["object"] == "chat.completion" && json["system_fingerprint"] == "accrete-7")
        let choice = try #require(json["choices"]?.array?.first)
        #expect(choice["message"]?["content"] == "a cup of tea" && choice["finish_reason"] == "stop")
        #expect(json["usage"] == ["prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17])
        let published = rig.published.withLock { $0 }
        #expect(published.map(\.topic) == ["sensor.image.openai-0-ann-image/", "sensor.text.openai-0-ann-text/"])
        let words = try #require(published.last?.message as? SensorReading)
        #expect(words.ends == .utteranceEnd && published.last?.payload.map(\.count) == ["Be brief.\n\nwhat is this".utf8.count])
        #expect(words.answer.temperature == 0.5 && words.answer.topP == 0.9 && words.answer.seed == UInt64(bitPattern: -3))
        #expect(words.answer.maximumTokens == 20 && words.answer.stops == [Data("\n".utf8)])
        #expect(rig.desk.count == 0)
    }

    @Test func aStreamBringsTheSameInChunksAndNoHalfCharacters() async throws {
        let rig = try Rig()
        rig.graph.withLock { graph in
            graph = { rig, message in
                guard let reading = message.message as? SensorReading else { return }
                for (index, bytes) in [Array("é".utf8)[..<1], Array("é!".utf8)[1...]].enumerated() {
                    rig.desk.take(
                        .with {
                            ($0.moment, $0.piece, $0.modelVersion) = ("\(reading.session)/\(reading.stamp.time)", UInt32(index), 7)
                            ($0.text, $0.tokens, $0.end) = (Data(bytes), [1], index == 1 ? "length" : "")
                        })
                }
            }
        }
        let body = Self.chat(["stream": true, "stream_options": ["include_usage": true]])
        let reply = try await rig.send(.POST, "/v1/chat/completions", Array(body.text().utf8))
        guard case .events(let events) = reply.body else { throw Unexpected() }
        var all: [String] = []
        for await event in events { all.append(event) }
        #expect(all.last == "[DONE]")
        let chunks = try all.dropLast().map { try JSON(parsing: Array($0.utf8)) }
        let deltas = chunks.compactMap { $0["choices"]?.array?.first?["delta"] }
        #expect(deltas == [["role": "assistant", "content": ""], ["content": "é!"], [:]])
        #expect(chunks.allSatisfy { $0["system_fingerprint"] == "accrete-7" && $0["object"] == "chat.completion.chunk" })
        #expect(chunks.dropLast().last?["choices"]?.array?.first?["finish_reason"] == "length")
        #expect(chunks.last?["usage"]?["completion_tokens"] == 2 && chunks.first?["usage"] == .null)
    }

    @Test func aTextIsContinued() async throws {
        let (status, json) = try await post(
            try rig(["upon a time"], end: "stop"), ["model": "accrete", "prompt": ["Once"]], "/v1/completions")
        #expect(status == 200 && json["object"] == "text_completion")
        #expect(json["choices"]?.array?.first?["text"] == "upon a time" && json["choices"]?.array?.first?["finish_reason"] == "stop")
    }

    @Test func aConversationKeepsItsRoles() throws {
        let turns: JSON = [
            ["role": "user", "content": "hello"], ["role": "assistant", "content": "hi"],
            ["role": "user", "content": [["type": "text", "text": "who"], ["type": "text", "text": "are you"]]],
        ]
        #expect(try Conversation(turns).moment.text == "User: hello\n\nAssistant: hi\n\nUser: who\nare you")
    }

    @Test func theModelCanBeListedAndNoOther() async throws {
        let rig = try Rig()
        for (path, key) in [("/v1/models", "data"), ("/v1/models/accrete", "id")] {
            let reply = try await rig.send(path)
            guard case .bytes(let bytes) = reply.body else { throw Unexpected() }
            #expect(try reply.status == .ok && JSON(parsing: bytes)[key] != nil)
        }
        #expect(try await rig.send("/v1/models/gpt-4").refusal == "unknownModel")
        #expect(try await post(rig, Self.chat(["model": "gpt-4"])).json["error"]?["code"] == "model_not_found")
    }

    /// Each is refused with the name of the member that is at fault.
    @Test(
        arguments: [
            (["n": 2], "n"), (["logprobs": true], "logprobs"), (["presence_penalty": 0.5], "presence_penalty"),
            (["tools": [["type": "function"]]], "tools"), (["response_format": ["type": "json_object"]], "response_format"),
            (["temperature": 3], "temperature"), (["temperature": "hot"], "temperature"), (["top_p": -0.5], "top_p"),
            (["max_tokens": 0], "max_tokens"), (["max_completion_tokens": 1.5], "max_completion_tokens"), (["seed": "x"], "seed"),
            (["stop": ["a", "b", "c", "d", "e"]], "stop"), (["stop": ""], "stop"), (["stop": [1]], "stop"), (["stream": 1], "stream"),
            (["stream_options": ["include_usage": true]], "stream_options"), (["user": "two words"], "user"), (["model": .null], "model"),
            (["reasoning_effort": "high"], "reasoning_effort"), (["messages": []], "messages"), (["messages": "hello"], "messages"),
            (["messages": [["role": "user", "content": ""]]], "messages"),
            (["messages": [["role": "assistant", "content": "hi"]]], "messages"),
            (["messages": [["role": "tool", "content": "hi"]]], "messages[0].role"),
            (["messages": [["role": "user", "content": "hi", "name": "ann"]]], "messages[0].name"),
            (["messages": [["role": "user", "content": [["type": "input_audio"]]]]], "messages[0].content"),
            (
                ["messages": [["role": "user", "content": [["type": "image_url", "image_url": ["url": "https://example.org/a.jpg"]]]]]],
                "messages[0].content"
            ),
            (
                ["messages": [["role": "user", "content": [["type": "image_url", "image_url": ["url": "data:image/png;base64,AAAA"]]]]]],
                "messages[0].content"
            ),
        ] as [([String: JSON], String)])
    func whatTheGraphCannotDoIsRefusedAndNothingIsAsked(_ more: [String: JSON], _ member: String) async throws {
        let rig = try rig(["never"])
        let (status, json) = try await post(rig, Self.chat(more))
        #expect(status == 400 && json["error"]?["param"] == .string(member), "\(json)")
        #expect(json["error"]?["type"] == "invalid_request_error" && json["error"]?["message"]?.string?.isEmpty == false)
        #expect(rig.published.withLock { $0.isEmpty } && rig.desk.count == 0)
    }

    @Test func whatThisGraphDoesNotHaveIsRefused() async throws {
        let off = try await post(try rig(["x"]) { $0.answer.after = [] }, Self.chat())
        #expect(off.status == 400 && off.json["error"]?["code"] == "model_not_available")
        let writes = try await post(try rig(["x"]) { $0.decide.text = true }, Self.chat(["temperature": 0.5]))
        #expect(writes.json["error"]?["param"] == "temperature")
        let long = try await post(try rig(["x"]) { $0.signals.text.maximumBytes = 5 }, Self.chat())
        #expect(long.json["error"]?["code"] == "context_length_exceeded")
        let full = try await post(try rig([""], end: "context"), Self.chat())
        #expect(full.json["error"]?["code"] == "context_length_exceeded")
        let broken = try await post(try rig(["x"], end: "notFinite"), Self.chat())
        #expect(broken.status == 500 && broken.json["error"]?["type"] == "server_error")
    }

    @Test func waitsAreBoundedInNumberAndTime() async throws {
        let silent = try Rig({ $0.answer.maximumWaiting = 1 })
        async let first = silent.send(.POST, "/v1/chat/completions", Array(Self.chat().text().utf8))
        while silent.desk.count == 0 { await Task.yield() }
        let second = try await post(silent, Self.chat())
        #expect(second.status == 429 && second.json["error"]?["type"] == "rate_limit_error")
        silent.desk.expire()
        #expect(silent.desk.count == 1, "not yet")
        silent.clock.advance(by: .seconds(61))
        silent.desk.expire()
        let reply = try await first
        #expect(reply.status == .gatewayTimeout && reply.refusal == "answerTimedOut" && silent.desk.count == 0)
    }

    @Test func aPieceThatIsMissingIsNoticed() async throws {
        let rig = try Rig()
        rig.graph.withLock { graph in
            graph = { rig, message in
                guard let reading = message.message as? SensorReading else { return }
                rig.desk.take(.with { ($0.moment, $0.piece, $0.end) = ("\(reading.session)/\(reading.stamp.time)", 1, "length") })
            }
        }
        #expect(try await post(rig, Self.chat()).status == 502)
    }

    @Test func aWrongCodeIsAWrongKey() async throws {
        let rig = try Rig()
        let reply = try await rig.send(.POST, "/v1/chat/completions", code: "guess", Array(Self.chat().text().utf8))
        guard case .bytes(let bytes) = reply.body else { throw Unexpected() }
        #expect(try reply.status == .unauthorized && JSON(parsing: bytes)["error"]?["code"] == "invalid_api_key")
        #expect(reply.refusal == "wrongCode")
    }
}
