import FilesTesting
import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Learn
@testable import Moments
@testable import Timing

/// Bytes are counted as bytes, whatever tokenizer made the tokens.
struct WordsBytesTests {
    private let folder = Folder()

    /// A tokenizer of bytes and of "th", "the" and "the ", tokens 256 to 258.
    private func tokenizer() throws -> String {
        let directory = folder.path("tokenizer")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let printable = Array(33...126) + Array(161...172) + Array(174...255)
        var letters = Dictionary(uniqueKeysWithValues: printable.map { ($0, Character(UnicodeScalar($0)!)) }), next: UInt32 = 256
        for byte in 0...255 where letters[byte] == nil {
            letters[byte] = Character(UnicodeScalar(next)!)
            next += 1
        }
        var vocabulary: [String: Int] = [:]
        for byte in 0...255 { vocabulary[String(letters[byte]!)] = byte }
        for (place, token) in ["th", "the", "<|endoftext|>"].enumerated() { vocabulary[token] = 256 + place }
        try JSONEncoder().encode(vocabulary).write(to: URL(fileURLWithPath: directory + "/vocab.json"))
        try "#version: 0.2\nt h\nth e\n".write(toFile: directory + "/merges.txt", atomically: true, encoding: .utf8)
        return directory
    }

    private func scores(_ tokens: [Float], tokenizer: String) throws -> (nats: Double, scores: Schema.Scores) {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.text.vocabulary) = (8, 16, 300)
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, embedding: 4, hidden: 8)]
        settings.mode = .live
        settings.signals.text.tokenizer = tokenizer
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock())), evaluator = Harness(try EvaluateProcessor(settings))
        let start = try #require(learner.advance(by: .milliseconds(1)).first)
        var update = try #require(start.message as? ModelUpdate)
        update.stamp = Stamp(from: "learn", sequence: 1)
        evaluator.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: start.payload)))
        let event = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 1)
            $0.moment = .with {
                ($0.ordinal, $0.session, $0.id) = (1, "a", "a/1")
                $0.senses = [
                    .with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, UInt32(tokens.count), 1, 1) }
                ]
            }
        }
        evaluator.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: [Payload(tokens)])))
        let summary = try #require(evaluator.advance(by: .seconds(2)).compactMap { $0.message as? EvaluationSummary }.last)
        let model = try #require(summary.running.first { $0.name == "model" })
        return (model.tokenNll * Double(model.tokens), model)
    }

    @Test func bitsPerByteAreOfTheBytesThatTokensStandFor() throws {
        // "the", a space and "the": three tokens, seven bytes.
        let (nats, scores) = try scores([257, 32, 257], tokenizer: try tokenizer())
        #expect(scores.tokens == 3 && abs(scores.bitsPerByte - nats / 7 / log(2)) < 1e-9, "\(scores)")
        let (plain, bytes) = try self.scores([116, 104, 101], tokenizer: "")
        #expect(bytes.tokens == 3 && abs(bytes.bitsPerByte - plain / 3 / log(2)) < 1e-9, "\(bytes)")
    }

    @Test func anUnknownTokenHasNoBytes() throws {
        #expect(try TextBytes(tokenizer: tokenizer()).bytes(of: [257, 299, -1, .max, 33]) == Array("the!".utf8))
        #expect(try TextBytes(tokenizer: "").bytes(of: [104, 300, 105]) == Array("hi".utf8))
    }

    private static let bert = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Golden/bert"

    @Test func anEncoderReadsTheWordsThatTokensStandFor() throws {
        func sentence(_ tokens: [Float], tokenizer: String) throws -> [Float] {
            var settings = GraphSettings()
            settings.fuse.sentence = Self.bert
            settings.model.senses = [.init(name: "sentence", rows: 1, columns: 16, embedding: 4, hidden: 8)]
            settings.signals.text.tokenizer = tokenizer
            let frame = Frame.with { ($0.session, $0.modality, $0.rows, $0.columns) = ("a", "text", UInt32(tokens.count), 1) }
            let slice = MomentAligner.Slice(
                boundary: .with { $0.session = "a" }, start: 0, frames: ["text": [.init(frame: frame, values: tokens)]])
            return try MomentAssembly(settings).moment(slice, ordinal: 1).payload[0]
        }
        let whole = try sentence([257, 32, 257], tokenizer: try tokenizer())
        #expect(try whole == sentence(Array("the the".utf8).map(Float.init), tokenizer: ""))
        #expect(try whole != sentence([255, 32, 255], tokenizer: ""))
    }
}
