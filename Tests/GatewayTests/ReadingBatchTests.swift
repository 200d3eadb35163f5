import Messaging
import Schema
import StrictJSON
import Testing

@testable import Gateway

struct ReadingBatchTests {
    /// A request's body.
    static func body(_ head: JSON, _ readings: [[UInt8]] = []) -> [UInt8] {
        let text = Array(head.text().utf8)
        return withUnsafeBytes(of: UInt32(text.count).littleEndian) { Array($0) } + text + readings.flatMap { $0 }
    }

    static func head(_ readings: JSON, session: String = "phone-1", epoch: Int = 5, sequence: Int = 1) -> JSON {
        ["session": .string(session), "epoch": .integer(epoch), "sequence": .integer(sequence), "readings": readings]
    }

    static let words: JSON = ["modality": "text", "format": "text/utf-8", "time": 1700.5, "bytes": 5, "ends": true]

    @Test func readingsBecomeMessagesOfTheSession() throws {
        let picture: JSON = ["modality": "image", "format": "image/jpeg", "time": 1600, "bytes": 4]
        let batch = try ReadingBatch(
            Self.body(Self.head([picture, Self.words]), [[0xFF, 0xD8, 0xFF, 0xE0], Array("hello".utf8)]), limit: 8)
        #expect(batch.refused.isEmpty)
        let messages = try batch.messages()
        #expect(messages.map(\.topic) == ["sensor.image.phone-1-image/", "sensor.text.phone-1-text/"])
        let last = try #require(messages.last?.message as? SensorReading)
        #expect(last.stamp.time == 1_700_500_000 && last.stamp.clock == "phone-1" && last.ends == .utteranceEnd)
    }

    @Test(
        arguments: [
            ("text", true, CutKind.utteranceEnd), ("vector", true, .explicit), ("vector", "label", .labelRequest),
            ("vector", "utterance", .utteranceEnd), ("text", "explicit", .explicit), ("text", false, .none),
        ] as [(String, JSON, CutKind)])
    func aReadingSaysHowItsMomentEnds(_ modality: String, _ ends: JSON, _ kind: CutKind) throws {
        let format: JSON = modality == "text" ? "text/utf-8" : "vector/f32le"
        let reading: JSON = ["modality": .string(modality), "format": format, "time": 1, "bytes": 4, "ends": ends]
        let batch = try ReadingBatch(Self.body(Self.head([reading]), [Array("abcd".utf8)]), limit: 1)
        #expect(batch.readings.map(\.ends) == [kind])
    }

    @Test func aReadingNamesItsConsentClass() throws {
        let classes: [(JSON, Consent)] = [
            ("notStored", .notStored), ("sessionOnly", .sessionOnly), ("learnHere", .learnHere), ("share", .share),
        ]
        for (consent, expected) in classes {
            let reading: JSON = ["modality": "text", "format": "text/utf-8", "time": 1, "bytes": 1, "consent": consent]
            let batch = try ReadingBatch(Self.body(Self.head([reading]), [[97]]), limit: 1)
            #expect((try batch.messages().first?.message as? SensorReading)?.consent == expected)
        }
        for consent: JSON in ["perhaps", 1, .null] {
            let reading: JSON = ["modality": "text", "format": "text/utf-8", "time": 1, "bytes": 1, "consent": consent]
            let batch = try ReadingBatch(Self.body(Self.head([reading]), [[97]]), limit: 1)
            #expect(batch.refused == [.init(index: 0, reason: "wrongConsent")])
        }
    }

    @Test func anEndThatIsNoneIsRefused() throws {
        for ends: JSON in ["thunder", 1, .null] {
            let reading: JSON = ["modality": "text", "format": "text/utf-8", "time": 1, "bytes": 1, "ends": ends]
            let batch = try ReadingBatch(Self.body(Self.head([reading]), [[97]]), limit: 1)
            #expect(batch.refused == [.init(index: 0, reason: "undecodable")])
        }
    }

    @Test func aReadingThatIsNoneCostsItselfOnly() throws {
        let notAPicture: JSON = ["modality": "image", "format": "image/jpeg", "time": 1, "bytes": 3]
        let unknown: JSON = ["modality": "smell", "format": "x", "time": 1, "bytes": 0]
        let batch = try ReadingBatch(
            Self.body(Self.head([notAPicture, Self.words, unknown]), [Array("abc".utf8), Array("hello".utf8)]), limit: 8)
        #expect(batch.readings.map(\.modality) == ["text"])
        #expect(batch.refused == [.init(index: 0, reason: "undecodable"), .init(index: 2, reason: "unknownModality")])
    }

    @Test(arguments: [
        ([1, 0], "truncated"), ([200, 0, 0, 0, 1], "truncated"), ([255, 255, 255, 255], "truncated"),
        ([2, 0, 0, 0, 123, 123], "undecodable"),
        (body(head([words], session: "../x"), [Array("hello".utf8)]), "badSession"),
        (body(head([words], epoch: 0), [Array("hello".utf8)]), "undecodable"),
        (body(head([words]), [Array("hell".utf8)]), "truncated"), (body(head([words]), [Array("hello!".utf8)]), "wrongShape"),
        (body(head([words, words, words])), "tooLarge"),
    ])
    func aBodyThatIsNoBatchIsRefused(_ body: [UInt8], _ reason: String) {
        #expect(throws: Refusal.self) { try ReadingBatch(body, limit: 2) }
        do throws(Refusal) { _ = try ReadingBatch(body, limit: 2) } catch { #expect(error.reason.rawValue == reason) }
    }

    @Test func timesThatNoClockShowsAreRefused() throws {
        for time: JSON in [-1, 1e300, .string("now")] {
            let reading: JSON = ["modality": "text", "format": "text/utf-8", "time": time, "bytes": 1]
            let batch = try ReadingBatch(Self.body(Self.head([reading]), [[97]]), limit: 1)
            #expect(batch.refused == [.init(index: 0, reason: "clockInFuture")])
        }
    }
}
