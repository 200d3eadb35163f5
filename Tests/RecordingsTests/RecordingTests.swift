import Files
import FilesTesting
import Foundation
import MCAP
import Signals
import Statistics
import Testing
@testable import Recordings
@testable import Schema

struct RecordingTests {
    private let folder = Folder()

    /// A picture of two pixels.
    private static let picture = RawReading(modality: "image", format: "image/x-gray8", width: 2, height: 1, payload: [3, 200])
    private static let world = Coordinates(
        name: "world", axes: "right up back", handedness: .right, metres: 0.5, layout: .positionQuaternion)

    private static let events: [SessionEvent] = [
        .reading(.init(time: -1_500_000_000, session: "kitchen", source: "camera", modality: "image", content: .payload(picture))),
        .reading(
            .init(
                time: 1_250_000_000, session: "kitchen", source: "camera", modality: "image", content: .payload(picture),
                domain: "task1", coordinates: Coordinates(name: "lens", axes: "right down forward"),
                optics: Optics(focalX: 500, focalY: 501.5, centerX: 320, centerY: 240, width: 640, height: 480))),
        .reading(
            .init(
                time: 1_260_000_000, session: "kitchen", source: "head", modality: "vector",
                content: .payload(RawReading(vector: [1, 2, 4, 0, 0, 0.5, 0.75])), coordinates: world)),
        .reading(
            .init(
                time: 1_300_000_000, session: "kitchen", source: "speech", modality: "text",
                content: .payload(RawReading(text: "what is it")), endsMoment: true)),
        .label(.init(time: 1_300_000_000, session: "kitchen", label: 3, classes: 10, knownAt: 2_000_000_000, domain: "task1")),
        .cut(.init(time: 2_000_000_000, session: "kitchen", domain: "task2")),
        .label(.init(time: 2_000_000_000, session: "kitchen", label: 0, classes: 10)),
    ]

    /// A session directory with all kinds of events.
    private func session(_ name: String = "session") throws -> String {
        var writer = try SessionWriter(path: folder.path(name))
        for event in Self.events { try writer.write(event) }
        return folder.path(name)
    }

    private func copy(_ from: String, to: String) throws -> [String] {
        var output = try SessionOutput(creating: to, library: "tests"), refused: [String] = []
        try Recording(path: from).copy(to: &output, maximumBytes: 1 << 20) { refused.append($0) }
        try output.finish()
        return refused
    }

    private func contents(_ directory: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in FileManager.default.enumerator(atPath: directory)?.compactMap({ $0 as? String }) ?? [] {
            if FileKind(of: "\(directory)/\(name)") == .regular { files[name] = try readFile("\(directory)/\(name)", atMost: 1 << 24) }
        }
        return files
    }

    @Test func aSessionComesBackFromMCAPFileByFileAndByteByByte() throws {
        let original = try session(), file = folder.path("session.mcap"), back = folder.path("back")
        #expect(try copy(original, to: file) == [])
        #expect(try copy(file, to: back) == [])
        let (before, after) = (try contents(original), try contents(back))
        #expect(before.count == 3 && before == after)
        // Its events are those that the directory gives, with their contents.
        let directory = try SessionDirectory(path: original)
        let expected = try directory.events().map { result -> SessionEvent in
            guard case .reading(var reading) = try result.get() else { return try result.get() }
            reading.content = .payload(try directory.load(reading))
            return .reading(reading)
        }
        #expect(try Recording(path: file).events().map { try $0.get() } == expected)
        #expect(try Recording(path: file).scan() == Recording(path: original).scan())
    }

    @Test func filesKeepTheirNamesAndWhatCannotBeReadEndsItsMomentAllTheSame() throws {
        let path = folder.path("hand"), file = folder.path("hand.mcap"), back = folder.path("back")
        try makeDirectory(at: path + "/sounds")
        for (name, text) in [("sounds/a.txt", "hello"), ("b.txt", "there")] {
            try OutputFile(creating: "\(path)/\(name)").append(Array(text.utf8))
        }
        try replaceFile(
            at: path + "/session.jsonl",
            with: """
                {"t": 1, "session": "s", "source": "m", "modality": "text", "file": "sounds/a.txt"}
                {"t": 1, "session": "s", "source": "m", "modality": "text", "file": "sounds/a.txt"}
                {"t": 2, "session": "s", "source": "m", "modality": "text", "file": "b.txt", "ends": true}
                {"t": 3, "session": "s", "source": "m", "modality": "text", "file": "nowhere.txt", "ends": true}
                {"t": 4, "session": "s", "source": "m", "modality": "text", "file": "nowhere.txt"}
                broken

                """)
        let refused = try copy(path, to: file)
        #expect(refused.count == 3 && refused[0].hasPrefix("nowhere.txt: missingFile") && refused[2].contains("brokenLine"))
        #expect(try copy(file, to: back) == [])
        let lines = try String(contentsOfFile: back + "/session.jsonl", encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 4 && lines[1].contains("sounds/a.txt") && lines[3].contains("\"cut\":true"))
        #expect(try contents(back).filter { $0.key != "session.jsonl" } == contents(path).filter { $0.key != "session.jsonl" })
    }

    @Test func aRecordingThatIsTornReplaysWhatIsWhole() throws {
        let file = folder.path("torn.mcap")
        let writer = try RecordingWriter(creating: file, .session, library: "tests")
        for event in Self.events { try writer.write(event) }
        try writer.flush()
        #expect(try Recording(path: file).events().map { try $0.get() } == Self.events)
        #expect(try copy(file, to: folder.path("mended.mcap")) == [])
        #expect(try Recording(path: folder.path("mended.mcap")).events().map { try $0.get() } == Self.events)
    }

    @Test func otherProgramsGetPicturesAndPosesWithTheirSchemas() throws {
        let file = folder.path("session.mcap")
        let writer = try RecordingWriter(creating: file, .session, library: "tests")
        for event in Self.events { try writer.write(event) }
        var mirrored = Self.world
        (mirrored.handedness, mirrored.layout) = (.left, .matrix)
        let turn: [Float] = [0, -1, 0, 3, 1, 0, 0, 4, 0, 0, 1, 5]  // a quarter about z, at (3, 4, 5)
        try writer.write(
            .reading(
                .init(
                    time: 3_000_000_000, session: "kitchen", source: "headset", modality: "vector",
                    content: .payload(RawReading(vector: turn)), coordinates: mirrored)))
        try writer.write(
            .reading(
                .init(
                    time: 4_000_000_000, session: "kitchen", source: "phone", modality: "image",
                    content: .payload(RawReading(modality: "image", format: "image/jpeg", payload: [1, 2, 3])))))
        try writer.finish()
        var messages: [String: MCAPMessage] = [:]
        for result in try MCAPReader(path: file) {
            let message = try result.get()
            messages[message.channel.topic] = message
        }
        let still = try #require(messages["/kitchen/head/pose"]), moving = try #require(messages["/kitchen/headset/pose"])
        #expect(still.channel.schema?.name == "foxglove.PoseInFrame" && still.logTime == 1_260_000_000)
        #expect(still.channel.metadata == ["copy_of": "sensor.vector.head/"])
        let pose = try Foxglove_PoseInFrame(serializedBytes: still.data)
        #expect(pose.frameID == "world" && pose.timestamp.seconds == 1 && pose.timestamp.nanos == 260_000_000)
        #expect((pose.pose.position.x, pose.pose.position.y, pose.pose.position.z) == (0.5, 1, 2))
        #expect((pose.pose.orientation.z, pose.pose.orientation.w) == (0.5, 0.75))
        let other = try Foxglove_PoseInFrame(serializedBytes: moving.data).pose
        #expect((other.position.x, other.position.y, other.position.z) == (1.5, 2, -2.5))
        #expect(abs(other.orientation.z - 0.5.squareRoot()) < 1e-6 && abs(other.orientation.w - 0.5.squareRoot()) < 1e-6)
        let picture = try Foxglove_RawImage(serializedBytes: #require(messages["/kitchen/camera/image"]).data)
        #expect((picture.encoding, picture.width, picture.step, Array(picture.data)) == ("mono8", 2, 2, [3, 200]))
        #expect(picture.frameID == "lens")
        let photo = try Foxglove_CompressedImage(serializedBytes: #require(messages["/kitchen/phone/image"]).data)
        #expect((photo.format, photo.frameID, Array(photo.data)) == ("jpeg", "phone", [1, 2, 3]))
    }

    @Test func everyMessageOfTheWireIsDescribed() {
        let schemas = MessageSchemas()
        func schema(of family: some AnyTopicFamily) -> MCAPSchema? { schemas[type(of: family).Message.self] }
        for family in Topics.all { #expect(schema(of: family)?.encoding == "protobuf", "\(family.name)") }
        #expect(schemas[RecordedReading.self] != nil && schemas[Foxglove_PoseInFrame.self] != nil)
    }

    /// Of a graph's recording, whose messages come as they arrive, the events come in the order of their times.
    @Test func aGraphsEventsAreInOrder() throws {
        let file = folder.path("graph.mcap")
        let writer = try RecordingWriter(creating: file, .graph, library: "tests")
        for time in [3, 1, 2, 6, 5, 4, 5] as [Int64] { try writer.write(.cut(.init(time: time, session: "s")), logTime: 7) }
        try writer.write(Prediction.with { $0.session = "s" }, topic: "prediction.s/", logTime: 8)
        try writer.finish()
        #expect(try Recording(path: file).events().map { try $0.get().time } == [1, 2, 3, 4, 5, 5, 6])
    }

    /// A consent class comes back from a session directory and from a file.
    @Test func consentClassesStayWithReadingsAndLabels() throws {
        var reading = SessionEvent.Reading(
            time: 1, session: "s", source: "m", modality: "text", content: .payload(RawReading(text: "hello")), endsMoment: true)
        reading.consent = "sessionOnly"
        var label = SessionEvent.Label(time: 1, session: "s", label: 1, classes: 4)
        label.consent = "learnHere"
        let events: [SessionEvent] = [.reading(reading), .label(label)]
        var writer = try SessionWriter(path: folder.path("consents"))
        for event in events { try writer.write(event) }
        #expect(try copy(folder.path("consents"), to: folder.path("consents.mcap")) == [])
        #expect(try copy(folder.path("consents.mcap"), to: folder.path("back")) == [])
        #expect(try Recording(path: folder.path("consents.mcap")).events().map { try $0.get() } == events)
        #expect(try contents(folder.path("back")) == contents(folder.path("consents")))
    }

    /// A running graph is recorded without what may not be kept, and without what was made of it.
    @Test func whatMayNotBeKeptIsNotRecorded() throws {
        let file = folder.path("kept.mcap")
        var options = MCAPWriter.Options()
        options.compression = .none
        let recorder = GraphRecorder(try RecordingWriter(creating: file, .graph, library: "tests", options: options), nil)
        for (number, consent) in [Consent.share, .notStored, .learnHere, .sessionOnly].enumerated() {
            let end = Int64(number + 1)
            let reading = Sample.with {
                $0.reading = .with {
                    ($0.stamp.source, $0.stamp.time, $0.session, $0.modality) = ("m", end, "s", "text")
                    ($0.format, $0.consent) = ("text/utf-8", consent)
                }
            }
            let boundary = Sample.with {
                $0.boundary = .with { ($0.ordinal, $0.epoch, $0.session, $0.end, $0.consent) = (UInt64(end), 1, "s", end, consent) }
            }
            let feedback = Feedback.with {
                ($0.session, $0.moment, $0.label, $0.classes, $0.consent) = ("s", "s/\(end)", UInt32(number), 4, consent)
            }
            try recorder.take(reading, topic: "sample.text/", payload: { Array("words \(number)".utf8) }, at: 100 + end)
            try recorder.take(boundary, topic: "sample.text/", payload: { [] }, at: 100 + end)
            for message in [
                Prediction.with { ($0.session, $0.moment) = ("s", "s/\(end)") },
                Answer.with { ($0.session, $0.moment) = ("s", "s/\(end)") },
            ] as [any Stamped] {
                try recorder.take(message, topic: message is Answer ? "answer.s/" : "prediction.s/", payload: { [] }, at: 100 + end)
            }
            try recorder.take(feedback, topic: "feedback.s/", payload: { [] }, at: 100 + end)
        }
        try recorder.finish()
        var words: [String] = [], labels: [Int] = [], consents: [String?] = []
        for event in try Recording(path: file).events() {
            switch try event.get() {
            case .reading(let reading):
                guard case .payload(let raw) = reading.content else { break }
                words.append(String(decoding: raw.payload, as: UTF8.self))
                consents.append(reading.consent)
            case .label(let label): labels.append(label.label)
            case .cut: break
            }
        }
        #expect(words == ["words 0", "words 2"] && labels == [0, 2] && consents == ["share", "learnHere"])
        let bytes = Data(try readFile(file, atMost: 1 << 20))
        #expect(bytes.range(of: Data("s/1".utf8)) != nil && bytes.range(of: Data("s/2".utf8)) == nil)
        #expect(bytes.range(of: Data("s/4".utf8)) == nil)
    }

    /// Files of other programs: their pictures and poses are readings.
    @Test func picturesAndPosesOfOtherProgramsAreReadings() throws {
        let file = folder.path("other.mcap"), schemas = MessageSchemas()
        let writer = try MCAPWriter(creating: file, library: "another")
        let pose = Foxglove_PoseInFrame.with {
            ($0.timestamp.seconds, $0.timestamp.nanos, $0.frameID) = (2, 5, "map")
            ($0.pose.position.x, $0.pose.orientation.w) = (1.5, 1)
        }
        let wide = Foxglove_RawImage.with {
            ($0.width, $0.height, $0.step, $0.encoding) = (2, 2, 3, "mono8")
            ($0.timestamp.seconds, $0.data) = (1, Data([1, 2, 0, 3, 4, 0]))
        }
        var huge = wide
        (huge.width, huge.height, huge.step) = (.max, .max, .max)
        let images = try writer.addChannel(
            topic: "/cam éra//front", encoding: "protobuf", schema: schemas[Foxglove_RawImage.self])
        let poses = try writer.addChannel(topic: "/pose", encoding: "protobuf", schema: schemas[Foxglove_PoseInFrame.self])
        let text = try writer.addChannel(topic: "/log", encoding: "json", schema: nil)
        try writer.add(pose.serializedBytes(), to: poses, sequence: 1, logTime: 9)
        try writer.add(wide.serializedBytes(), to: images, sequence: 1, logTime: 9)
        try writer.add(huge.serializedBytes(), to: images, sequence: 2, logTime: 9)
        try writer.add(Array("{}".utf8), to: text, sequence: 1, logTime: 9)
        try writer.finish()
        let results = try Array(Recording(path: file).events())
        let events = results.compactMap { try? $0.get() }
        #expect(
            events == [
                .reading(
                    .init(
                        time: 1_000_000_000, session: "recording", source: "cam-ra-front", modality: "image",
                        content: .payload(
                            RawReading(modality: "image", format: "image/x-gray8", width: 2, height: 2, payload: [1, 2, 3, 4])))),
                .reading(
                    .init(
                        time: 2_000_000_005, session: "recording", source: "pose", modality: "vector",
                        content: .payload(RawReading(vector: [1.5, 0, 0, 0, 0, 0, 1])),
                        coordinates: Coordinates(name: "map", handedness: .right, layout: .positionQuaternion))),
            ])
        #expect(results.count == 3)
    }

    /// Anything may stand in a file that says it is ours.
    @Test func impossibleEventsAreRefusedByReason() throws {
        let file = folder.path("bad.mcap"), schemas = MessageSchemas()
        let writer = try RecordingWriter(creating: file, .session, library: "tests")
        let good = SessionEvent.cut(.init(time: 1, session: "s"))
        try writer.write(good)
        try writer.write(.cut(.init(time: .max, session: "s")))
        try writer.write(.cut(.init(time: 1, session: "s t")))
        try writer.write(.label(.init(time: 1, session: "s", label: 5, classes: 2)))
        try writer.write(.reading(.init(time: 1, session: "s", source: "", modality: "text", content: .payload(RawReading(text: "x")))))
        let smell = RawReading(modality: "smell", format: "", payload: [])
        try writer.write(.reading(.init(time: 1, session: "s", source: "n", modality: "smell", content: .payload(smell))))
        try writer.write(.cut(.init(time: 1, session: "s", domain: String(repeating: "d", count: 300))))
        try writer.write(good)
        try writer.finish()
        let reasons = try Recording(path: file).events().map { result in
            switch result {
            case .success: "fine"
            case .failure(let refusal): refusal.refusal.reason.rawValue
            }
        }
        #expect(
            reasons == ["fine", "brokenLine", "brokenLine", "brokenLine", "brokenLine", "unknownModality", "brokenLine", "fine"])
        // A message that is none.
        let broken = try MCAPWriter(creating: folder.path("broken.mcap"), library: "tests")
        try broken.add(metadata: ["kind": "session"], name: "accrete")
        let channel = try broken.addChannel(topic: "cut.s/", encoding: "protobuf", schema: schemas[Cut.self])
        try broken.add([0xFF, 0xFF], to: channel, sequence: 1, logTime: 1)
        try broken.finish()
        let events = try Array(Recording(path: folder.path("broken.mcap")).events())
        guard case .failure(let refusal)? = events.first else {
            Issue.record("\(events)")
            return
        }
        #expect(events.count == 1 && refusal.refusal.reason == .undecodable && refusal.description.hasPrefix("broken.mcap:1: "))
    }

    @Test func aFileThatIsNoRecordingIsRefusedInASentence() throws {
        try OutputFile(creating: folder.path("text")).append(Array("hello".utf8))
        #expect(throws: SignalRefusal.self) { try Recording(path: folder.path("text")).events() }
        #expect(throws: SignalRefusal.self) { try Recording(path: folder.path("nowhere")) }
        #expect(throws: FileError.self) { try RecordingWriter(creating: folder.path("text"), .session, library: "tests") }
    }

    /// A name of a file that leads out of the directory is refused, and one that is taken by another content is passed by.
    @Test func namesOfFilesStayWithinTheDirectory() throws {
        var output = try SessionOutput(creating: folder.path("out"), library: "tests")
        let picture = Self.events[0]
        #expect(throws: SignalRefusal.self) { try output.write(picture, as: "../x.png") }
        try output.write(picture, as: "session.jsonl")
        try output.write(picture, as: "session.jsonl/x")
        #expect(Set(try contents(folder.path("out")).keys) == ["session.jsonl", "image/000000.png", "image/000001.png"])
    }
}
