import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Ingest

struct IngestProcessorTests {
    private func harness(closer: String = "") -> Harness<IngestProcessor> {
        Harness(IngestProcessor(IngestSettings(GraphSettings()), epoch: 1, wallOffset: 0, closer: closer))
    }

    private func reading(
        _ modality: String, at seconds: Double, session: String = "kitchen", clock: String = "own", ends: CutKind = .none,
        answer: AnswerRequest? = nil
    ) throws -> IngestProcessor.Input {
        let message = SensorReading.with {
            $0.stamp = Stamp(from: "phone", sequence: 1, at: Instant(seconds: seconds))
            $0.stamp.clock = clock
            $0.session = session
            $0.modality = modality
            $0.format = "text/utf-8"
            $0.ends = ends
            if let answer { $0.answer = answer }
        }
        return try .init(WireMessage(message, on: try Topics.sensor(modality, "phone"), payload: [Payload(Array("hello".utf8))]))
    }

    private func boundaries(_ outputs: [IngestProcessor.Output]) -> [Boundary] {
        outputs.compactMap {
            if case .sample(let sample, _, _) = $0, case .boundary(let boundary)? = sample.content { boundary } else { nil }
        }
    }

    @Test func theEndOfAnUtteranceIsPublishedToEveryModalityAfterTheReading() throws {
        var ingest = harness()
        let outputs = ingest.send(try reading("text", at: 1, ends: .utteranceEnd))
        #expect(outputs.map(\.outgoing.topic) == ["sample.text/", "sample.text/", "sample.image/", "sample.audio/", "sample.vector/"])
        #expect(boundaries(outputs).map(\.ordinal) == [1, 1, 1, 1])
    }

    @Test func invalidInputIsRefusedByReasonAndChangesNothing() throws {
        var ingest = harness()
        _ = ingest.send(try reading("text", at: 1))
        _ = ingest.send(try reading("sonar", at: 2))
        _ = ingest.send(try reading("text", at: 1e8))
        _ = ingest.send(try reading("text", at: 5_000, session: "other", clock: "unix"))
        _ = ingest.send(try reading("text", at: 2, session: "two words"))
        #expect(ingest.refusals.map(\.reason.rawValue) == ["unknownModality", "clockInFuture", "clockInFuture", "badSession"])
        #expect(ingest.send(try reading("text", at: 3)).count == 1)
    }

    @Test func howAMomentIsToBeAnsweredIsPassedOnWithItsEnd() throws {
        var ingest = harness()
        let asked = ingest.send(try reading("text", at: 1, ends: .utteranceEnd, answer: .with { $0.temperature = 0.5 }))
        #expect(boundaries(asked).allSatisfy { $0.answer.temperature == 0.5 })
        let plain = ingest.send(try reading("text", at: 2, ends: .utteranceEnd))
        #expect(!boundaries(plain).isEmpty && boundaries(plain).allSatisfy { !$0.hasAnswer })
    }

    @Test(arguments: [
        AnswerRequest.with { $0.temperature = -1 }, .with { $0.temperature = .nan }, .with { $0.topP = 0 }, .with { $0.topP = 1.5 },
        .with { $0.stops = [Data()] }, .with { $0.stops = [Data(count: 65)] }, .with { $0.stops = .init(repeating: Data([1]), count: 5) },
    ])
    func anAnswerThatCannotBeIsRefusedWithItsReading(_ request: AnswerRequest) throws {
        var ingest = harness()
        #expect(ingest.send(try reading("text", at: 1, ends: .utteranceEnd, answer: request)).isEmpty)
        #expect(ingest.refusals.map(\.reason.rawValue) == ["wrongShape"])
    }

    @Test func aReadingMustMatchItsTopic() throws {
        let message = SensorReading.with {
            $0.stamp = Stamp(from: "phone", sequence: 1); $0.modality = "image"
        }
        #expect(throws: Refusal.self) {
            try IngestProcessor.Input(WireMessage(message, on: try Topics.sensor("text", "phone"), payload: [Payload([1] as [UInt8])]))
        }
        #expect(throws: Refusal.self) { try IngestProcessor.Input(WireMessage(message, on: try Topics.sensor("image", "phone"))) }
        #expect(throws: Refusal.self) {
            try IngestProcessor.Input(
                WireMessage(topic: "sensor.image.phone/", header: [255, 255, 255], payload: [Payload([1] as [UInt8])]))
        }
    }

    @Test func onlyTheNamedPublisherEndsTheStream() throws {
        func end(_ source: String) throws -> IngestProcessor.Input {
            let cut = Cut.with {
                $0.stamp = Stamp(from: source, sequence: 1); $0.session = source; $0.kind = .end
            }
            return try .init(WireMessage(cut, on: try Topics.cut(source)))
        }
        var ingest = harness(closer: "replay")
        _ = ingest.send(try reading("text", at: 1))
        #expect(ingest.send(try end("phone")).isEmpty)
        let outputs = boundaries(ingest.send(try end("replay")))
        #expect(
            outputs.map(\.ordinal) == [1, 1, 1, 1, 2, 2, 2, 2]
                && outputs.map(\.last) == [false, false, false, false, true, true, true, true])
        _ = ingest.send(try reading("text", at: 2))
        #expect(ingest.refusals.map(\.reason.rawValue) == ["afterTheEnd"])
    }

    @Test func aLabelOutsideItsClassesIsRefused() throws {
        func feedback(_ label: UInt32) throws -> IngestProcessor.Input {
            let feedback = Feedback.with {
                $0.stamp = Stamp(from: "app", sequence: 1); $0.session = "kitchen"; $0.label = label; $0.classes = 10
            }
            return try .init(WireMessage(feedback, on: try Topics.feedback("kitchen")))
        }
        var ingest = harness()
        #expect(ingest.send(try feedback(9)).count == 1)
        #expect(ingest.send(try feedback(10)).isEmpty)
        #expect(ingest.refusals.map(\.reason.rawValue) == ["labelOutOfRange"])
    }

    @Test func feedbackMayBeACorrectionInWordsOfBoundedSize() throws {
        var ingest = Harness(IngestProcessor(IngestSettings(GraphSettings()), epoch: 1, wallOffset: 0, closer: ""))
        func feedback(_ text: String) -> IngestProcessor.Input {
            .feedback(
                .with {
                    $0.session = "a"; $0.momentEnd = 1; $0.text = text
                })
        }
        #expect(ingest.send(feedback("")).isEmpty)
        #expect(ingest.send(feedback(String(repeating: "a", count: 4097))).isEmpty)
        #expect(ingest.refusals.map(\.reason) == [.emptyFeedback, .wrongShape])
        #expect(ingest.send(feedback("it is a lamp")).count == 1)
    }
}
