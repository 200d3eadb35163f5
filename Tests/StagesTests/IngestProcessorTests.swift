import Forgetting
import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Ingest
@testable import Wiring

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

    /// Private parts are gone before anything is passed on, from words and from corrections.
    @Test func privatePartsOfTextsArePassedOnToNobody() throws {
        var settings = GraphSettings()
        settings.privacy.redact = ["email", "telephone"]
        settings.privacy.names = ["Ada"]
        var ingest = Harness(IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: ""))
        func send(_ modality: String, _ bytes: [UInt8], at seconds: Double) throws -> [UInt8]? {
            let message = SensorReading.with {
                $0.stamp = Stamp(from: "phone", sequence: UInt64(seconds), at: Instant(seconds: seconds))
                ($0.stamp.clock, $0.session, $0.modality, $0.format) = ("own", "kitchen", modality, "text/utf-8")
            }
            let input = try IngestProcessor.Input(
                WireMessage(message, on: try Topics.sensor(modality, "phone"), payload: [Payload(bytes)]))
            guard let output = ingest.send(input).first, case .sample(let sample, _, let payload) = output, case .reading? = sample.content
            else { return nil }
            return payload.first.map { $0.withUnsafeBytes { Array($0) } }
        }
        let text = Array("Write to ada@example.org or call Ada on +44 20 7946 0018.".utf8)
        #expect(try send("text", text, at: 1) == Array("Write to [email] or call [name] on [telephone].".utf8))
        #expect(try send("image", text, at: 2) == text, "other readings are passed on as they are")
        #expect(try send("text", [0xFF, 0xFE], at: 3) == nil && ingest.refusals.last?.reason == .undecodable)
        #expect(try send("text", [UInt8](repeating: 97, count: 65_537), at: 4) == nil && ingest.refusals.last?.reason == .tooLarge)
        let feedback = Feedback.with {
            ($0.stamp, $0.session, $0.moment, $0.text) = (Stamp(from: "phone", sequence: 1), "kitchen", "kitchen/1", "Ask Ada.")
        }
        let passed = ingest.send(try .init(WireMessage(feedback, on: try Topics.feedback("kitchen"))))
        guard case .feedback(let plain, _)? = passed.first else { return #expect(Bool(false), "no feedback") }
        #expect(plain.text == "Ask [name].")
        let gauges = ingest.processor.telemetry.gauges
        #expect(gauges["redacted.email"] == 1 && gauges["redacted.telephone"] == 1 && gauges["redacted.name"] == 2)
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

    // MARK: Coordinates

    /// What ingest makes of a pose or a picture that says its coordinates: its reason of refusal, or nil.
    private func outcome(
        _ handedness: CoordinateSettings.Handedness, _ modality: String = "vector", _ numbers: [Float] = [0, 0, 0, 0, 0, 0, 1],
        frame: CoordinateFrame? = nil, camera: CameraIntrinsics? = nil
    ) throws -> String? {
        var settings = GraphSettings()
        settings.coordinates.handedness = handedness
        var ingest = Harness(IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: ""))
        let message = SensorReading.with {
            $0.stamp = Stamp(from: "headset", sequence: 1, at: Instant(seconds: 1))
            ($0.session, $0.modality, $0.format) = ("kitchen", modality, "vector/f32le")
            if let frame { $0.frame = frame }
            if let camera { $0.camera = camera }
        }
        let payload = numbers.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { [UInt8]($0) } }
        let wire = try WireMessage(message, on: try Topics.sensor(modality, "headset"), payload: [Payload(payload)])
        let outputs = ingest.send(try .init(wire))
        #expect(outputs.isEmpty == !ingest.refusals.isEmpty)
        guard case .sample(let sample, _, _)? = outputs.first else { return ingest.refusals.first?.reason.rawValue }
        #expect(sample.reading.frame == message.frame && sample.reading.hasCamera == message.hasCamera)
        return nil
    }

    @Test func anotherHandednessThanConfiguredIsRefused() throws {
        let right = CoordinateFrame.with { $0.handedness = .right }, left = CoordinateFrame.with { $0.handedness = .left }
        let unity = CoordinateFrame.with { $0.axes = "right up forward" }, vision = CoordinateFrame.with { $0.axes = "right down forward" }
        let robot = CoordinateFrame.with { ($0.axes, $0.handedness) = ("forward left up", .right) }
        for frame in [right, left, unity, vision, robot, CoordinateFrame(), nil] { #expect(try outcome(.any, frame: frame) == nil) }
        for frame in [right, vision, robot, CoordinateFrame(), nil] { #expect(try outcome(.right, frame: frame) == nil) }
        for frame in [left, unity] {
            #expect(try outcome(.right, frame: frame) == "wrongHandedness")
            #expect(try outcome(.left, frame: frame) == nil)
        }
        #expect(try outcome(.left, frame: robot) == "wrongHandedness")
        #expect(try outcome(.right, "image", frame: left) == "wrongHandedness")
    }

    @Test func coordinatesThatContradictThemselvesAreRefused() throws {
        let said = CoordinateFrame.with { ($0.axes, $0.handedness) = ("right up forward", .right) }
        #expect(try outcome(.any, frame: said) == "wrongHandedness")
        for axes in ["up", "right up up", "right left up", "right up back down", "north east down", String(repeating: "x", count: 100)] {
            #expect(try outcome(.any, frame: .with { $0.axes = axes }) == "wrongShape", "\(axes)")
        }
        for metres in [-1, .nan, .infinity] as [Double] {
            #expect(try outcome(.any, frame: .with { $0.metres = metres }) == "wrongShape")
        }
    }

    @Test func aPoseHasTheNumbersOfItsLayoutAndAMatrixDoesNotMirror() throws {
        let quaternion = CoordinateFrame.with { $0.layout = .positionQuaternion }, matrix = CoordinateFrame.with { $0.layout = .matrix }
        #expect(try outcome(.any, frame: quaternion) == nil)
        #expect(try outcome(.any, "vector", [1, 2], frame: quaternion) == "wrongShape")
        #expect(try outcome(.any, "image", frame: quaternion) == "wrongShape")
        #expect(try outcome(.any, frame: .with { $0.layout = .UNRECOGNIZED(9) }) == "wrongShape")
        #expect(try outcome(.any, "vector", [1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7], frame: matrix) == nil)
        #expect(try outcome(.any, "vector", [1, 0, 0, 5, 0, 1, 0, 6, 0, 0, -1, 7], frame: matrix) == "wrongHandedness")
        #expect(try outcome(.any, "vector", Array(repeating: .nan, count: 12), frame: matrix) == nil)  // extract refuses it
    }

    @Test func aCameraIsAPicturesAndHasASize() throws {
        let camera = CameraIntrinsics.with {
            ($0.focalX, $0.focalY, $0.centerX, $0.centerY, $0.width, $0.height) = (500, 500, 320, 240, 640, 480)
        }
        #expect(try outcome(.any, "image", camera: camera) == nil)
        #expect(try outcome(.any, camera: camera) == "wrongShape")
        for change in [{ $0.focalX = 0 }, { $0.focalY = .nan }, { $0.centerX = .infinity }, { $0.width = 0 }]
            as [(inout CameraIntrinsics) -> Void]
        {
            var bad = camera
            change(&bad)
            #expect(try outcome(.any, "image", camera: bad) == "wrongShape")
        }
    }
}
