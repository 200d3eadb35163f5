import Foundation
import Messaging
import PipelineTesting
import Schema
import StrictJSON
import Testing

@testable import Gateway

struct GraphViewTests {
    private static func summary(_ moments: UInt64) -> EvaluationSummary {
        .with {
            $0.stamp = Stamp(from: "evaluate", sequence: moments)
            $0.moments = moments
            $0.window = [("model", 0.5), ("frozen", 2)].map { name, loss in
                .with { ($0.name, $0.classNll, $0.labelled) = (name, loss, moments < 100 ? 0 : moments) }
            }
        }
    }

    @Test func aPageThatIsOpenedLateSeesWhatHasHappened() async throws {
        let rig = try Rig()
        for moments in 1...300 as ClosedRange<UInt64> {
            rig.view.take(try WireMessage(Self.summary(moments), on: Topics.evaluationSummary.only))
        }
        let status = Status.with { ($0.stamp, $0.stage, $0.modelVersion) = (Stamp(from: "fuse", sequence: 1), "fuse", 7) }
        rig.view.take(try WireMessage(status, on: try Topics.status("fuse")))
        rig.view.take(WireMessage(topic: "status.fuse/", header: [255, 255]))
        let reply = try await rig.send("/api/state")
        guard case .bytes(let bytes) = reply.body else { return #expect(Bool(false), "no state") }
        let state = try JSON(parsing: bytes)
        #expect(state["stages"]?["fuse"]?["version"] == 7)
        let course = try #require(state["course"]?.array)
        #expect(course.count == 240 && course.first == ["moments": 61, "model": .null, "frozen": .null], "without labels there is no loss")
        #expect(course.last == ["moments": 300, "model": 0.5, "frozen": 2.0])
        #expect(rig.view.newest.undecodable == 1)
    }

    /// What was seen and said is shown with the prediction, to those who may watch the session.
    @Test func aPredictionHasThePictureAndTheWordsOfItsMoment() async throws {
        let rig = try Rig(), png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1]
        guard case .events(let phone) = try await rig.send("/api/events?session=phone-1").body,
            case .events(let page) = try await rig.send("/api/events").body,
            case .events(let stranger) = try await rig.send("/api/events", code: "second-code").body
        else { return #expect(Bool(false)) }
        func sample(_ modality: String, _ format: String, _ bytes: [UInt8], in session: String) throws {
            let sample = Sample.with {
                ($0.reading.session, $0.reading.modality, $0.reading.format) = (session, modality, format)
                ($0.stamp, $0.reading.stamp) = (Stamp(from: "ingest", sequence: 1), Stamp(from: session, sequence: 1))
            }
            rig.view.take(try WireMessage(sample, on: try Topics.sample(modality), payload: [Payload(bytes)]))
        }
        func predict(_ session: String) throws {
            let prediction = Prediction.with {
                ($0.stamp, $0.session, $0.moment, $0.probabilities) = (Stamp(from: "fuse", sequence: 1), session, session + "/5", [1])
            }
            rig.view.take(try WireMessage(prediction, on: try Topics.prediction(session)))
        }
        try sample("image", "image/png", png, in: "phone-1")
        try sample("text", "text/utf-8", Array("what is".utf8), in: "phone-1")
        try sample("text", "text/utf-8", Array("this\n".utf8) + Array(repeating: 0x61, count: 1_000), in: "phone-1")
        try predict("phone-1")
        var iterator = page.makeAsyncIterator()
        let event = try JSON(parsing: Array(try #require(await iterator.next()).utf8))
        let words = try #require(event["words"]?.string), number = try #require(event["picture"]?.integer)
        #expect(words.hasPrefix("what is this aaa") && words.utf8.count <= Scenes.mostWords + 4 && !words.contains("\n"), "\(words)")
        let reply = try await rig.send("/api/pictures/\(number)")
        guard case .bytes(let bytes) = reply.body else { return #expect(Bool(false), "no picture") }
        #expect(reply.status == .ok && bytes == png)
        #expect(try await rig.send("/api/pictures/\(number)", code: "second-code").status == .forbidden)
        for path in ["/api/pictures/\(number + 1)", "/api/pictures/", "/api/pictures/x", "/api/pictures/-1"] {
            #expect(try await rig.send(path).status == .notFound, "\(path)")
        }
        // The words were this moment's; a picture that browsers do not show, or that is too large, is none.
        for (format, content) in [
            ("image/x-rgb8", png), ("image/jpeg", png), ("image/png", png + [UInt8](repeating: 0, count: Scenes.mostBytes)),
        ] {
            try sample("image", "image/png", png, in: "desk")
            try sample("image", format, content, in: "desk")
            try predict("desk")
            let next = try JSON(parsing: Array(try #require(await iterator.next()).utf8))
            #expect(next["words"] == "" && next["picture"] == .null, "\(format)")
        }
        var strangers = stranger.makeAsyncIterator()
        #expect(try JSON(parsing: Array(try #require(await strangers.next()).utf8))["session"] == "desk", "not of the phone's session")
        for (code, isShown) in [("first-code", true), ("second-code", false)] {
            guard case .bytes(let bytes) = try await rig.send("/api/state", code: code).body else { return #expect(Bool(false)) }
            let sessions = try JSON(parsing: bytes)["predictions"]?.array?.compactMap { $0["session"]?.string } ?? []
            #expect(sessions.contains("desk") && sessions.contains("phone-1") == isShown, "\(code)")
        }
        // Only the newest are kept.
        for _ in 0..<64 {
            try sample("image", "image/png", png, in: "desk")
            try predict("desk")
        }
        #expect(try await rig.send("/api/pictures/\(number)").status == .notFound)
        withExtendedLifetime(phone) {}
    }

    @Test func aPredictionIsAnEventOfItsSession() async throws {
        let rig = try Rig()
        guard case .events(let events) = try await rig.send("/api/events?session=phone-1").body else { return #expect(Bool(false)) }
        for session in ["phone-2", "phone-1"] {
            let prediction = Prediction.with {
                ($0.stamp, $0.session, $0.moment) = (Stamp(from: "fuse", sequence: 1), session, session + "/5")
                ($0.probabilities, $0.label, $0.latency) = ([0.1, 0.7, .nan, 0.2], 1, 0.004)
            }
            rig.view.take(try WireMessage(prediction, on: try Topics.prediction(session)))
        }
        var iterator = events.makeAsyncIterator()
        let event = try JSON(parsing: Array(try #require(await iterator.next()).utf8))
        #expect(event["moment"] == "phone-1/5" && event["best"]?.array?.first?["label"] == 1 && event["classes"] == 4)
        #expect(rig.metrics.now.predictions.count == 2)
    }
}
