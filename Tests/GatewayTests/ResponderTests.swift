import Messaging
import NIOHTTP1
import Pipeline
import PipelineTesting
import Schema
import StrictJSON
import Synchronization
import Testing
import Wiring

@testable import Gateway

struct ResponderTests {
    private static let batch = ReadingBatchTests.body(ReadingBatchTests.head([ReadingBatchTests.words]), [Array("hello".utf8)])

    @Test func withoutACodeNothingIsAcceptedButThePagesThatAskForIt() async throws {
        let rig = try Rig()
        #expect(try await rig.send("/", code: nil).status == .ok)
        for (method, path) in [
            (HTTPMethod.GET, "/metrics"), (.GET, "/api/state"), (.GET, "/api/events"), (.POST, "/api/readings"), (.GET, "/x"),
        ] {
            #expect(try await rig.send(method, path, code: nil, Self.batch).status == .unauthorized)
            #expect(try await rig.send(method, path, code: "wrong", Self.batch).status == .unauthorized)
        }
        #expect(rig.published.withLock { $0.isEmpty })
    }

    @Test func afterTooManyWrongCodesEvenTheRightOneIsRefused() async throws {
        let rig = try Rig(gateway: { $0.wrongCodesPerMinute = 3 })
        for _ in 0..<3 { #expect(try await rig.send("/metrics", code: "guess").refusal == "wrongCode") }
        #expect(try await rig.send("/metrics").refusal == "tooManyWrongCodes")
    }

    @Test func readingsArePublishedOnceHoweverOftenTheyAreSent() async throws {
        let rig = try Rig()
        #expect(try await rig.send(.POST, "/api/readings", Self.batch).status == .ok)
        let again = try await rig.send(.POST, "/api/readings", Self.batch)
        #expect(again.status == .conflict && again.refusal == "replayed")
        #expect(rig.published.withLock { $0.map(\.topic) } == ["sensor.text.phone-1-text/"])
    }

    @Test func anotherCodeCannotSpeakForASession() async throws {
        let rig = try Rig()
        #expect(try await rig.send(.POST, "/api/readings", Self.batch).status == .ok)
        let next = ReadingBatchTests.body(ReadingBatchTests.head([ReadingBatchTests.words], sequence: 2), [Array("hello".utf8)])
        #expect(try await rig.send(.POST, "/api/readings", code: "second-code", next).refusal == "foreignSession")
        #expect(try await rig.send("/api/events?session=phone-1", code: "second-code").refusal == "foreignSession")
        let feedback = Array(#"{"session": "phone-1", "moment": "phone-1/7", "label": 1, "classes": 4, "time": 5}"#.utf8)
        #expect(try await rig.send(.POST, "/api/feedback", code: "second-code", feedback).refusal == "foreignSession")
        #expect(try await rig.send(.POST, "/api/feedback", feedback).status == .ok)
        let message = try #require(rig.published.withLock { $0.last?.message as? Feedback })
        #expect(message.moment == "phone-1/7" && message.label == 1 && message.classes == 4 && message.stamp.time == 5_000_000)
    }

    @Test(arguments: [
        "", "nonsense", "{}", #"{"session": "phone-1", "moment": "phone-1/7"}"#,
        #"{"session": "phone-1", "moment": "other/7", "label": 1, "classes": 2}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "label": 2, "classes": 2}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "label": -1, "classes": 2}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "time": 1e300, "label": 1, "classes": 2}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "reward": 1, "decision": "other/1"}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "label": 1, "classes": 2, "consent": "maybe"}"#,
        #"{"session": "phone-1", "moment": "phone-1/7", "name": "cup", "classes": 2, "consent": "notStored"}"#,
    ])
    func feedbackThatSaysNothingIsRefused(_ text: String) async throws {
        let rig = try Rig()
        #expect(try await rig.send(.POST, "/api/readings", Self.batch).status == .ok)
        #expect(try await rig.send(.POST, "/api/feedback", Array(text.utf8)).status == .badRequest)
        #expect(rig.published.withLock { $0.count } == 1)
    }

    @Test func aCorrectionInWordsIsPublished() async throws {
        let rig = try Rig()
        #expect(try await rig.send(.POST, "/api/readings", Self.batch).status == .ok)
        let good = Array(#"{"session": "phone-1", "moment": "phone-1/7", "time": 5, "text": "a cup"}"#.utf8)
        #expect(try await rig.send(.POST, "/api/feedback", good).status == .ok)
        #expect(rig.published.withLock { ($0.last?.message as? Feedback)?.text } == "a cup")
        let own = Array(#"{"session": "phone-1", "moment": "phone-1/7", "time": 5, "text": "a cup", "consent": "sessionOnly"}"#.utf8)
        #expect(try await rig.send(.POST, "/api/feedback", own).status == .ok)
        #expect(rig.published.withLock { ($0.last?.message as? Feedback)?.consent } == .sessionOnly)
        let long = #"{"session": "phone-1", "moment": "phone-1/7", "time": 5, "text": ""# + String(repeating: "a", count: 4097) + #""}"#
        #expect(try await rig.send(.POST, "/api/feedback", Array(long.utf8)).refusal == "tooLarge")
    }

    @Test func pathsAndMethodsThatAreNoneAreRefused() async throws {
        let rig = try Rig()
        #expect(try await rig.send("/../etc/passwd").refusal == "badPath")
        #expect(try await rig.send("/%2e%2e/etc/passwd").refusal == "badPath")
        #expect(try await rig.send("metrics").refusal == "badPath")
        #expect(try await rig.send("/nothing").status == .notFound)
        #expect(try await rig.send(.DELETE, "/metrics").status == .methodNotAllowed)
        #expect(try await rig.send(.POST, "/").status == .methodNotAllowed)
    }

    @Test func moreRequestsThanTheRateAreRefused() async throws {
        let rig = try Rig(gateway: { ($0.requestBurst, $0.requestRate) = (2, 1) })
        #expect(try await rig.send("/").status == .ok)
        #expect(try await rig.send("/").status == .ok)
        #expect(try await rig.send("/").refusal == "tooManyRequests")
    }

    @Test func aStreamGetsTheEventsOfItsSessionAndLosesTheOldestWhenItIsSlow() async throws {
        let rig = try Rig(gateway: { ($0.maximumStreams, $0.streamEvents) = (1, 2) })
        var reply: HTTPReply? = try await rig.send("/api/events?session=phone-1")
        guard case .events(let events)? = reply?.body else { return #expect(Bool(false), "no events") }
        #expect(try await rig.send("/api/events?session=phone-2").refusal == "tooManyStreams")
        rig.hub.send(["n": 0], of: "phone-2")
        for n in 1...3 { rig.hub.send(["n": .integer(n)], of: "phone-1") }
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == #"{"n":2}"#)
        #expect(await iterator.next() == #"{"n":3}"#)
        #expect(rig.metrics.now.refusals["eventOverflow"] == 1)
        reply = nil
    }

    @Test func aCharacterInTwoPiecesOfAnAnswerArrivesWhole() {
        #expect(UTF8.unfinishedBytes(of: Array("aé".utf8)) == 0)
        #expect(UTF8.unfinishedBytes(of: Array(Array("aé".utf8).dropLast())) == 1)
        #expect(UTF8.unfinishedBytes(of: Array(Array("😀".utf8).dropLast())) == 3)
        #expect(UTF8.unfinishedBytes(of: [0x80, 0x80, 0x80, 0x80]) == 0)
        #expect(UTF8.unfinishedBytes(of: []) == 0)
    }
}
