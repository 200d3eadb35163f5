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
