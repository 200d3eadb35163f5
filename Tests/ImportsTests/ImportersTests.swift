import FilesTesting
import Foundation
import Imports
import Recordings
import Signals
import Testing

struct ImportersTests {
    private let folder = Folder()

    private func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: folder.path(name), atomically: true, encoding: .utf8)
        return folder.path(name)
    }

    /// The events of files of a kind, which are the same from a directory and from an MCAP file.
    private func events(_ kind: String, _ path: String) throws -> [SessionEvent] {
        let type = try #require(importers[kind])
        for ending in ["", ".mcap"] {
            var output = try SessionOutput(creating: folder.path(kind + ending), library: "tests")
            try type.init(path: path).write(to: &output)
            try output.finish()
        }
        let events = try Recording(path: folder.path(kind)).events().map { try $0.get() }
        #expect(try Recording(path: folder.path(kind + ".mcap")).events().map { try $0.get() } == events)
        // A label is never known before its moment has ended, and belongs to a moment that a reading ends.
        var ends: [String: Int64] = [:]
        for event in events {
            switch event {
            case .reading(let reading) where reading.endsMoment: ends[reading.session] = reading.time
            case .label(let label): #expect(label.knownAt >= label.time && ends[label.session] == label.time)
            default: break
            }
        }
        return events
    }

    private func labels(_ events: [SessionEvent]) -> [SessionEvent.Label] {
        events.compactMap { if case .label(let label) = $0 { label } else { nil } }
    }

    private func readings(_ events: [SessionEvent]) -> [SessionEvent.Reading] {
        events.compactMap { if case .reading(let reading) = $0 { reading } else { nil } }
    }

    private func text(_ reading: SessionEvent.Reading) -> String? {
        if case .payload(let raw) = reading.content { String(decoding: raw.payload, as: UTF8.self) } else { nil }
    }

    private func numbers(_ reading: SessionEvent.Reading) -> [Float] {
        guard case .payload(let raw) = reading.content else { return [] }
        return raw.payload.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    /// A camera that goes along its own x axis at 1 m/s for a second, then back along z, without turning.
    private func poses() throws -> String {
        let lines = (0..<120).map { index in
            let t = Double(index) / 60
            return "\(1_000_000_000 + index * 16_666_667) 1 0 0 \(min(t, 1)) 0 1 0 0 0 0 1 \(max(0, t - 1))"
        }
        return try write(lines.joined(separator: "\n"), to: "poses.txt")
    }

    @Test func posesKeepTheirCoordinates() throws {
        let events = try readings(events("arkit-logger", poses()))
        #expect(events.count == 120 && events[30].time == 30 * 16_666_667)
        #expect(numbers(events[30]) == [0.5, 0, 0, 0, 0, 0, 1])
        let coordinates = events[30].coordinates
        #expect(coordinates?.handedness == .right && coordinates?.axes == "right up back" && coordinates?.layout == .positionQuaternion)
    }

    @Test func motionsAreLabelledWithWhereTheCameraWent() throws {
        let events = try events("arkit", poses()), labels = labels(events)
        #expect(labels.first?.label == 1 && labels.last?.label == 5)  // right; back
        #expect(labels.allSatisfy { $0.classes == 7 && $0.knownAt == $0.time + 500_000_000 })
        let first = numbers(readings(events)[0])
        #expect(first.count == 15 && abs(first[0] - 1) < 0.2 && Array(first[12...]) == [0, 1, 0])
    }

    @Test func answersAreLabelledAndNoInputKnowsItsOwn() throws {
        let rows = [(7, 1, 1), (7, 2, 0), (8, 1, 1), (8, 2, 1)]
        func file(last: Int) throws -> String {
            try write(
                "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n"
                    + rows.enumerated().map { "\($1.0)\t\($1.1)\t0\t\($0 == 3 ? last : $1.2)\t5" }.joined(separator: "\n"),
                to: "a\(last).csv")
        }
        let right = try events("assist09", file(last: 1))
        #expect(labels(right).map(\.label) == [1, 0, 1, 1] && Set(readings(right).map(\.session)) == ["student-0", "student-1"])
        #expect(readings(right).compactMap(text)[1] == "skill0 item0")
        var output = try SessionOutput(creating: folder.path("wrong"), library: "tests")
        try importers["assist09"]?.init(path: file(last: 0)).write(to: &output)
        let wrong = try Recording(path: folder.path("wrong")).events().map { try $0.get() }
        #expect(labels(wrong).map(\.label) == [1, 0, 1, 0] && readings(wrong) == readings(right))
    }

    @Test func stepsAreLabelledWithTheNextWhenItBegins() throws {
        let events = try events(
            "captaincook4d",
            write(
                """
                {"recipe": "Tea", "person": 1, "steps": [{"id": 9, "start": 1, "end": 2, "text": "Boil"}, \
                {"id": 4, "start": 5.5, "end": 7, "text": "Pour"}]}
                {"recipe": "Tea", "person": 2, "steps": [{"id": 4, "start": 2, "end": 3, "text": "Pour"}]}
                """, to: "sessions.jsonl"))
        #expect(readings(events).compactMap(text) == ["Tea: Boil", "Tea: Pour", "Tea: Pour"])
        #expect(
            labels(events) == [
                .init(time: 1_000_000_000, session: "recording-1", label: 0, classes: 2, knownAt: 5_500_000_000, domain: "Tea")
            ])
        #expect(readings(events).map(\.time) == [1_000_000_000, 5_500_000_000, 67_500_000_000])
    }

    @Test func dialoguesAreLabelledWithTheirSections() throws {
        let path = try write(
            "ID,section_header,dialogue\n0,GENHX,\"Doctor: Hello?\nPatient: Hm.\"\n1,ROS,Doctor: x\n2,GENHX,Doctor: y\n", to: "d.csv")
        let events = try events("mts-dialog", path)
        #expect(labels(events).map(\.label) == [0, 1, 0] && labels(events)[0].classes == 2)
        #expect(readings(events).compactMap(text)[0] == "Doctor: Hello?\nPatient: Hm.")
    }

    @Test func chatsAreLabelledWhenTheReplyComes() throws {
        let path = try write(
            #"[{"c_h": [{"user": "tutor", "text": "2 + 2?"}, {"user": "student", "text": "5"}], "#
                + #""c_r_": [{"user": "tutor", "text": "Close!"}], "e": "careless"}]"#, to: "chats.json")
        let events = try events("bridge", path)
        #expect(readings(events).compactMap(text) == ["Tutor: 2 + 2?\nStudent: 5", "Tutor: Close!"])
        #expect(readings(events).map(\.source) == ["chat", "expert"] && readings(events).allSatisfy(\.endsMoment))
        #expect(
            labels(events) == [
                .init(time: 60_000_000_000, session: "chat-1", label: 2, classes: 7, knownAt: 90_000_000_000)
            ])
    }

    @Test func aVisitIsASessionOfTurns() throws {
        let path = try write(
            "dataset,encounter_id,dialogue,note\nx,D1,\"[doctor] hi , martha .\n[patient] hi .\n\",NOTE\nx,D2,\"[doctor] next\n[5] ?\",\n",
            to: "visits.csv")
        let readings = try readings(events("aci-bench", path))
        #expect(readings.compactMap(text) == ["hi , martha .", "hi .", "next", "[5] ?"])
        #expect(readings.map(\.source) == ["doctor", "patient", "doctor", "speaker"])
        #expect(readings.map(\.session) == ["visit-1", "visit-1", "visit-2", "visit-2"])
        #expect(readings.map(\.time) == [5, 10, 75, 80].map { $0 * 1_000_000_000 })
    }

    @Test(.enabled(if: SharedData.isWanted("data/ecg/100.hea")))
    func beatsAreLabelledLater() throws {
        let path = SharedData.path("data/ecg/100")
        let events = try events("ecg", path), labels = labels(events)
        #expect(labels.count > 2200 && labels[0].classes == 3 && labels.filter { $0.label == 0 }.count > 30)  // A, N, V
        #expect(labels.allSatisfy { $0.knownAt == $0.time + 5_000_000_000 })
        #expect(numbers(readings(events)[0]).count == 165)
        #expect(try importers["ecg"]?.init(path: path).settings.first == "signals.vector.length=165")
    }

    @Test(arguments: importers.map(\.key))
    func whatIsNoSuchFileIsRefused(_ kind: String) throws {
        let type = try #require(importers[kind])
        #expect(throws: (any Error).self) { try type.init(path: folder.path("nowhere")) }
        #expect(throws: (any Error).self) { try type.init(path: write("hello", to: "hello")) }
    }
}
