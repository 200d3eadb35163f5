import FilesTesting
import Foundation
import Testing
@testable import Signals

@Suite struct SessionTests {
    private let folder = Folder()
    var path: String { folder.path("session") }

    init() throws {
        try FileManager.default.createDirectory(atPath: path + "/image", withIntermediateDirectories: true)
    }

    func directory(_ lines: String..., limits: SessionDirectory.Limits = .init()) throws -> SessionDirectory {
        try write(lines.joined(separator: "\n"), to: "session.jsonl")
        return try SessionDirectory(path: path, limits: limits)
    }

    func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

    func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name)) }

    func reasons(_ directory: SessionDirectory) throws -> [String] {
        try directory.events().map { result in
            switch result {
            case .success: "fine"
            case .failure(let refusal): "\(refusal.line) \(refusal.refusal.reason)"
            }
        }
    }

    @Test func everyKindOfLineBecomesItsEvent() throws {
        let directory = try directory(
            #"{"t": 1.25, "session": "kitchen", "source": "camera", "modality": "image", "file": "image/0.png", "domain": "task1"}"#,
            #"{"t": 1.26, "session": "kitchen", "source": "head", "modality": "vector", "values": [0.5, -2]}"#,
            #"{"t": 1.3, "session": "kitchen", "source": "speech", "modality": "text", "text": "what is it", "ends": true}"#,
            "",
            #"{"t": 1.3, "session": "kitchen", "label": 3, "classes": 10, "known_at": 2}"#,
            #"{"t": 2, "session": "kitchen", "cut": true, "mood": "fine"}"#)
        let events = try directory.events().map { try $0.get() }
        #expect(
            events == [
                .reading(
                    .init(
                        time: 1_250_000_000, session: "kitchen", source: "camera", modality: "image", content: .file("image/0.png"),
                        domain: "task1")),
                .reading(
                    .init(
                        time: 1_260_000_000, session: "kitchen", source: "head", modality: "vector",
                        content: .payload(RawReading(vector: [0.5, -2])))),
                .reading(
                    .init(
                        time: 1_300_000_000, session: "kitchen", source: "speech", modality: "text",
                        content: .payload(RawReading(text: "what is it")), endsMoment: true)),
                .label(.init(time: 1_300_000_000, session: "kitchen", label: 3, classes: 10, knownAt: 2_000_000_000)),
                .cut(.init(time: 2_000_000_000, session: "kitchen")),
            ])
    }

    @Test func aLineMaySayItsConsentClass() throws {
        let directory = try directory(
            #"{"t": 1, "session": "s", "source": "m", "modality": "text", "text": "hello", "consent": "notStored"}"#,
            #"{"t": 1, "session": "s", "label": 3, "classes": 10, "consent": "sessionOnly"}"#,
            #"{"t": 2, "session": "s", "source": "m", "modality": "text", "text": "hello", "consent": "whatever"}"#)
        #expect(try reasons(directory) == ["fine", "fine", "3 brokenLine"])
        guard case .reading(let reading) = try directory.events().first(where: { _ in true })?.get() else { throw CancellationError() }
        #expect(reading.consent == "notStored")
    }

    @Test func aLineMaySayItsCoordinatesAndItsCamera() throws {
        let pose =
            #"{"t": 1, "session": "s", "source": "head", "modality": "vector", "values": [1], "coordinates": {"name": "world", "#
            + #""axes": "right up back", "handedness": "right", "metres": 0.01, "layout": "matrix"}}"#
        let picture =
            #"{"t": 1, "session": "s", "source": "c", "modality": "image", "file": "a.png", "camera": {"focal_x": 1, "focal_y": 2, "#
            + #""center_x": 3, "center_y": 4, "width": 5, "height": 6}}"#
        let wrong = pose.replacing("\"right\"", with: "\"up\"")
        let results = try Array(directory(pose, picture, wrong).events())
        guard case .reading(let first) = try results[0].get(), case .reading(let second) = try results[1].get() else {
            Issue.record("\(results)")
            return
        }
        #expect(
            first.coordinates
                == Coordinates(name: "world", axes: "right up back", handedness: .right, metres: 0.01, layout: .matrix))
        #expect(second.optics == Optics(focalX: 1, focalY: 2, centerX: 3, centerY: 4, width: 5, height: 6))
        guard case .failure(let refusal) = results[2] else {
            Issue.record("\(results[2])")
            return
        }
        #expect(refusal.refusal.reason == .brokenLine && refusal.refusal.detail.hasPrefix("coordinates: "))
        // They are written as they are read.
        var writer = try SessionWriter(path: path + "/copy")
        try writer.write(.reading(first))
        #expect(try SessionDirectory(path: path + "/copy").events().map { try $0.get() } == [.reading(first)])
    }

    @Test(arguments: [
        ("not json", "brokenLine"),
        (#"["t", 1]"#, "brokenLine"),
        (#"{"session": "s", "cut": true}"#, "brokenLine"),
        (#"{"t": "1", "session": "s", "cut": true}"#, "brokenLine"),
        (#"{"t": 1e300, "session": "s", "cut": true}"#, "brokenLine"),
        (#"{"t": 1, "session": "s t", "cut": true}"#, "brokenLine"),
        (#"{"t": 1, "session": "", "cut": true}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "cut": false}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "label": 1, "classes": 2, "cut": true}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "label": 1}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "label": 2, "classes": 2}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "label": 1.5, "classes": 2}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "label": 1, "classes": 2, "known_at": 0.5}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "text"}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "modality": "text", "text": "hm"}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "image", "text": "hm"}"#, "brokenLine"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "smell", "file": "a"}"#, "unknownModality"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "image", "file": "../a.png"}"#, "pathOutside"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "image", "file": "/etc/passwd"}"#, "pathOutside"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "image", "file": "a/../../b"}"#, "pathOutside"),
        (#"{"t": 1, "session": "s", "source": "a", "modality": "image", "file": ""}"#, "pathOutside"),
    ])
    func aBrokenLineCostsOnlyItself(line: String, reason: String) throws {
        let fine = #"{"t": 1, "session": "s", "cut": true}"#
        #expect(try reasons(directory(fine, line, fine)) == ["fine", "2 \(reason)", "fine"])
    }

    @Test func aLineThatIsTooLongIsPassedOver() throws {
        var limits = SessionDirectory.Limits()
        limits.maximumLineBytes = 100
        let fine = #"{"t": 1, "session": "s", "cut": true}"#
        let long = #"{"t": 1, "session": ""# + String(repeating: "s", count: 200_000) + #"", "cut": true}"#
        #expect(try reasons(directory(fine, long, fine, limits: limits)) == ["fine", "2 tooLarge", "fine"])
    }

    @Test(arguments: [
        ([1, 2, 3], ["fine", "fine", "fine"]),
        ([1, 3, 2, 4], ["fine", "2 timeRunsBack", "fine", "fine"]),
        ([1, 2, 0, 3], ["fine", "fine", "3 timeRunsBack", "fine"]),
        ([1, 2, 9_000_000, 3, 4], ["fine", "fine", "3 timeRunsBack", "fine", "fine"]),
        ([2, 2, 2], ["fine", "fine", "fine"]),
        (
            [1, 9_000_000, 9_000_001, 9_000_002, 3, 4, 5],
            ["fine", "2 timeRunsBack", "3 timeRunsBack", "4 timeRunsBack", "fine", "fine", "fine"]
        ),
        ([9_000_000, 9_000_000, 0, 1, 2, 3], ["1 timeRunsBack", "2 timeRunsBack", "fine", "fine", "fine", "fine"]),
        ([1, 2, -5, -4, -3, 3, 4, 5, 6], ["1 timeRunsBack", "2 timeRunsBack", "fine", "fine", "fine", "fine", "fine", "fine", "fine"]),
        ([1, 2, 3, 172_803, 172_804, 172_805], ["fine", "fine", "fine", "fine", "fine", "fine"]),
        ([5, 4, 3], ["1 timeRunsBack", "2 timeRunsBack", "fine"]),
    ])
    func theFewestLinesAreRefused(times: [Int], expected: [String]) throws {
        try write(times.map { #"{"t": \#($0), "session": "s", "cut": true}"# }.joined(separator: "\n"), to: "session.jsonl")
        #expect(try reasons(SessionDirectory(path: path)) == expected)
    }

    private func times(_ times: [Int]) throws -> (kept: [Int], refused: Int) {
        try write(times.map { #"{"t": \#($0), "session": "s", "cut": true}"# }.joined(separator: "\n"), to: "session.jsonl")
        let results = try Array(SessionDirectory(path: path).events())
        let kept = results.compactMap { try? $0.get().time }
        return (kept.map { Int($0 / 1_000_000_000) }, results.count - kept.count)
    }

    @Test(arguments: [1, 3, 7])
    func aRunOfLinesInTheFarFutureCostsItselfOnly(length: Int) throws {
        let future = (0..<length).map { 1_000_000_000 + $0 }
        let (kept, refused) = try times(Array(0..<50) + future + Array(50..<400))
        #expect(kept == Array(0..<400) && refused == length)
    }

    @Test func howeverManyLinesAreInTheFutureTheRestIsNotLost() throws {
        for length in [8, 100, 1000] {
            let future = (0..<length).map { 1_000_000_000 + $0 }
            #expect(try times(Array(0..<50) + future + Array(50..<400)).kept == Array(0..<50) + future + Array(50..<400))
        }
    }

    @Test func aRecordingThatBeginsAnewIsReadOn() throws {
        #expect(try times(Array(0..<300) + Array(0..<300) + Array(0..<8)) == (Array(0..<300) + Array(0..<300) + Array(0..<8), 0))
        #expect(try times(Array(5..<13) + Array(0..<8)) == (Array(5..<13) + Array(0..<8), 0))
        #expect(try times(Array(0..<100) + Array(0..<200)) == (Array(0..<100) + Array(0..<200), 0))
        #expect(try times(Array(0..<300) + Array(0..<7)) == (Array(0..<300), 7))
    }

    @Test func timesReachToTheEndsOfTheirRangeAndNoFurther() throws {
        let directory = try directory(
            #"{"t": -9e9, "session": "s", "cut": true}"#, #"{"t": -9.1e9, "session": "s", "cut": true}"#,
            #"{"t": 0, "session": "s", "cut": true}"#,
            #"{"t": 1e300, "session": "s", "cut": true}"#, #"{"t": 1e999, "session": "s", "cut": true}"#,
            #"{"t": NaN, "session": "s", "cut": true}"#,
            #"{"t": 9e9, "session": "s", "cut": true}"#)
        #expect(try reasons(directory) == ["fine", "2 brokenLine", "fine", "4 brokenLine", "5 brokenLine", "6 brokenLine", "fine"])
        #expect(try directory.scan().duration == .max)
    }

    @Test func aSessionIsReadFromARegularFileOnly() throws {
        mkfifo(path + "/session.jsonl", 0o600)
        #expect(refusal { try SessionDirectory(path: path).events() }?.reason == .missingFile)
        unlink(path + "/session.jsonl")
        symlink("/dev/zero", path + "/session.jsonl")
        #expect(refusal { try SessionDirectory(path: path).events() }?.reason == .missingFile)
    }

    @Test func filesAreLoadedByTheirFirstBytes() throws {
        try write(bytes(Fixtures.pngGrey), to: "image/0.png")
        try write(bytes(Fixtures.jpegGrey), to: "image/1")
        try write(bytes(Fixtures.wavChirp), to: "sound")
        try write("hello", to: "words")
        try write("neither", to: "image/2.png")
        try write([], to: "nothing")
        symlink("/etc/passwd", path + "/image/3.png")
        mkfifo(path + "/pipe", 0o600)
        var limits = SessionDirectory.Limits()
        limits.maximumFileBytes = 10_000
        try write(Array(repeating: 0, count: 10_001), to: "large")
        let directory = try directory("", limits: limits)
        func load(_ modality: String, _ file: String) throws -> String {
            try directory.load(.init(time: 0, session: "s", source: "s", modality: modality, content: .file(file))).format
        }
        #expect(try load("image", "image/0.png") == "image/png")
        #expect(try load("image", "image/1") == "image/jpeg")
        #expect(try load("audio", "sound") == "audio/wav")
        #expect(try load("text", "words") == "text/utf-8")
        #expect(refusal { try load("image", "image/2.png") }?.reason == .undecodable)
        #expect(refusal { try load("audio", "image/1") }?.reason == .undecodable)
        #expect(refusal { try load("text", "nothing") }?.reason == .empty)
        #expect(refusal { try load("image", "image/3.png") }?.reason == .pathOutside)
        #expect(refusal { try load("image", "image/4.png") }?.reason == .missingFile)
        #expect(refusal { try load("image", "image") }?.reason == .missingFile)
        #expect(refusal { try load("image", "pipe") }?.reason == .missingFile)
        #expect(refusal { try load("image", "large") }?.reason == .tooLarge)
    }

    @Test func whatIsMissingIsNamed() throws {
        #expect(refusal { try SessionDirectory(path: path + "/nowhere") }?.reason == .missingFile)
        let empty = try SessionDirectory(path: path)
        #expect(refusal { try empty.events() }?.reason == .missingFile)
    }

    @Test func aScanCountsEverything() throws {
        let scan = try directory(
            #"{"t": 1, "session": "a", "source": "m", "modality": "text", "text": "x", "domain": "d"}"#,
            #"{"t": 2, "session": "b", "source": "m", "modality": "text", "text": "x"}"#,
            "oops",
            #"{"t": 3, "session": "b", "label": 4, "classes": 7}"#,
            #"{"t": 3.5, "session": "b", "cut": true}"#
        ).scan()
        #expect(scan.readings == ["text": 2] && scan.sessions == ["a", "b"] && scan.domains == ["d"])
        #expect(scan.labels == 1 && scan.classes == 7 && scan.cuts == 1 && scan.duration == 2_500_000_000)
        #expect(scan.refusals == ["brokenLine": 1])
    }

    @Test func aWrittenSessionReadsBack() throws {
        let path = path + "/written"
        var writer = try SessionWriter(path: path)
        let raw = RawReading(modality: "image", format: "image/x-rgb8", width: 20, height: 12, payload: Picture.colours.bytes)
        let sound = RawReading(modality: "audio", format: "audio/x-s16le", sampleRate: 8000, payload: [0, 0x80, 0xFF, 0x7F, 1, 0])
        func reading(_ time: Int64, _ modality: String, _ raw: RawReading) -> SessionEvent {
            .reading(
                .init(time: time, session: "s", source: "x", modality: modality, content: .payload(raw), endsMoment: time == 3, domain: "d")
            )
        }
        let plain = [
            reading(2, "text", RawReading(text: "héllo")), reading(3, "vector", RawReading(vector: [0.1, -7])),
            .label(.init(time: 4, session: "s", label: 0, classes: 2, knownAt: 9)), .cut(.init(time: 5, session: "s")),
        ]
        for event in [reading(0, "image", raw), reading(1, "audio", sound)] + plain { try writer.write(event) }

        let directory = try SessionDirectory(path: path)
        let events = try directory.events().map { try $0.get() }
        #expect(Array(events.dropFirst(2)) == plain)
        guard case .reading(let image) = events[0], case .reading(let audio) = events[1] else {
            Issue.record("the first two events are \(events.prefix(2))")
            return
        }
        #expect(try PNG.decode(directory.load(image).payload, maximumPixels: 240) == Picture.colours)
        let expected = try RawSound.decode(sound, limits: SoundLimits(maximumSeconds: 1))
        #expect(try WAV.decode(directory.load(audio).payload, limits: SoundLimits(maximumSeconds: 1)) == expected)
        #expect(throws: SessionWriter.Failure.self) { try SessionWriter(path: path) }
    }
}
