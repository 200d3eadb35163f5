import FilesTesting
import Foundation
import Messaging
import Schema
import StrictJSON
import Synchronization
import Testing

@testable import Gateway

struct LabelNamesTests {
    @Test func aNewNameGetsTheLeastFreeLabelAndKeepsIt() throws {
        let names = try LabelNames(in: "", most: 8)
        #expect(try names.label(of: "teapot", among: 16) == (0, true))
        #expect(try names.label(of: "Café au lait", among: 16) == (1, true))
        #expect(try names.label(of: "  TEAPOT ", among: 16) == (0, false))
        #expect(try names.label(of: "cup", among: 16) == (2, true))
        #expect(names.json == ["0": "teapot", "1": "Café au lait", "2": "cup"])
    }

    @Test func namesAreKeptAcrossRestarts() throws {
        let folder = Folder()
        try FileManager.default.createDirectory(atPath: folder.path("gateway"), withIntermediateDirectories: true)
        let first = try LabelNames(in: folder.path("gateway"), most: 8)
        _ = try first.label(of: "teapot", among: 4)
        _ = try first.label(of: "\"quoted\"", among: 4)
        let second = try LabelNames(in: folder.path("gateway"), most: 8)
        #expect(second.json == first.json)
        #expect(try second.label(of: "cup", among: 4) == (2, true))
    }

    @Test func namesAreBounded() throws {
        let names = try LabelNames(in: "", most: 3)
        for (label, name) in ["a", "b"].enumerated() { #expect(try names.label(of: name, among: 2) == (label, true)) }
        #expect(throws: LabelNames.Problem.full) { try names.label(of: "c", among: 2) }
        #expect(try names.label(of: "c", among: 1_000_000) == (2, true))
        #expect(throws: LabelNames.Problem.full) { try names.label(of: "d", among: .max) }
        #expect(throws: LabelNames.Problem.full) { try names.label(of: "b", among: 1) }
        #expect(throws: LabelNames.Problem.full) { try names.label(of: "e", among: 0) }
    }

    @Test(arguments: ["", "   ", "a\nb", "a\u{7}b", String(repeating: "a", count: 61), String(repeating: "👨‍👩‍👧‍👦", count: 20)])
    func whatIsNoNameIsRefused(_ name: String) throws {
        let names = try LabelNames(in: "", most: 8)
        #expect(throws: LabelNames.Problem.invalid) { try names.label(of: name, among: 8) }
        #expect(names.json == [:])
    }

    @Test func aFileThatHoldsNoNamesIsNotOverwritten() throws {
        let folder = Folder()
        for text in [#"{"x": "teapot"}"#, #"{"0": 3}"#, "[]", "nonsense"] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path("names.json")))
            #expect(throws: (any Error).self) { try LabelNames(in: folder.path(""), most: 8) }
        }
    }

    @Test func aNameThatCannotBeStoredIsNotUsed() throws {
        let folder = Folder()
        let names = try LabelNames(in: folder.path("missing"), most: 8)
        #expect(throws: LabelNames.Problem.self) { try names.label(of: "teapot", among: 8) }
        #expect(names.json == [:])
    }

    private static func feedback(_ name: String, classes: Int = 2) -> [UInt8] {
        let json: JSON = [
            "session": "phone-1", "moment": "phone-1/7", "time": 5, "name": .string(name), "classes": .integer(classes),
        ]
        return Array(json.text().utf8)
    }

    /// Two phones call the same label by the same name.
    @Test func feedbackWithANameIsPublishedAsItsLabelAndAllPagesHearOfIt() async throws {
        let rig = try Rig(), batch = ReadingBatchTests.body(ReadingBatchTests.head([ReadingBatchTests.words]), [Array("hello".utf8)])
        #expect(try await rig.send(.POST, "/api/readings", batch).status == .ok)
        let reply = try await rig.send("/api/events?session=phone-2", code: "second-code")
        guard case .events(let events) = reply.body else { return #expect(Bool(false), "no events") }
        #expect(try await rig.send(.POST, "/api/feedback", Self.feedback("teapot")).status == .ok)
        let message = try #require(rig.published.withLock { $0.last?.message as? Feedback })
        #expect(message.hasLabel && message.label == 0 && message.classes == 2)
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == #"{"names":{"0":"teapot"},"type":"names"}"#)
        let shown = try await rig.send("/api/names")
        guard case .bytes(let bytes) = shown.body else { return #expect(Bool(false), "no names") }
        #expect(try JSON(parsing: bytes) == ["names": ["0": "teapot"]])
        #expect(try await rig.send("/api/names", code: nil).status == .unauthorized)

        #expect(try await rig.send(.POST, "/api/feedback", Self.feedback("cup")).status == .ok)
        #expect(try await rig.send(.POST, "/api/feedback", Self.feedback("plate")).refusal == "noFreeLabel")
        #expect(try await rig.send(.POST, "/api/feedback", Self.feedback("")).refusal == "badName")
        #expect(try await rig.send(.POST, "/api/feedback", Self.feedback("spoon", classes: -1)).refusal == "labelOutOfRange")
        let labels = rig.published.withLock { $0.compactMap { ($0.message as? Feedback)?.label } }
        #expect(labels == [0, 1])
    }
}
