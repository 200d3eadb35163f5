import FilesTesting
import Foundation
import Statistics
import StrictJSON
import Testing

private let fixture = URL(filePath: SharedData.path("fixtures/drift"))

private struct Fixture: Decodable {
    struct Detection: Decodable {
        let settings: JSON
        let at: [Int]
    }

    let detections: [String: [String: Detection]]
}

/// Level 0 with unit noise, then level 3 from number 600 on.
private func steppingStream(seed: UInt64) -> [Double] {
    var random = RandomSource(seed: seed)
    return (0..<1200).map { ($0 < 600 ? 0 : 3) + random.normal() }
}

private func firings(_ detector: inout NamedDetector, on stream: [Double]) -> [Int] {
    stream.indices.filter { detector.update(stream[$0]) }
}

@Suite struct DriftDetectorTests {
    @Test(.enabled(if: SharedData.isWanted("fixtures/drift"), "../shared/fixtures/drift is absent"))
    func agreesWithRiverAtEveryIndex() throws {
        let expected = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: fixture.appendingPathComponent("detections.json")))
        let streams = try CSVFile(path: fixture.appendingPathComponent("streams.csv").path)
        for (stream, detections) in expected.detections {
            let numbers = try streams.numbers(of: stream)
            for (name, detection) in detections {
                var detector = try NamedDetector(name, settings: detection.settings)
                #expect(firings(&detector, on: numbers) == detection.at, "\(name) on \(stream)")
            }
        }
    }

    /// Small streams and settings away from the defaults; River's answers, written by `Golden/drift.py`.
    @Test func agreesWithRiverAwayFromTheDefaults() throws {
        struct Case: Decodable {
            let detector: String
            let settings: JSON
            let numbers: [Double]
            let at: [Int]
        }
        let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Golden/drift.json")
            .standardizedFileURL
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: golden))
        #expect(cases.count == 24)
        for one in cases {
            var detector = try NamedDetector(one.detector, settings: one.settings)
            #expect(firings(&detector, on: one.numbers) == one.at, "\(one.detector) \(one.settings)")
        }
    }

    @Test(arguments: driftDetectors.map(\.key))
    func repeatsItself(_ name: String) throws {
        let stream = steppingStream(seed: 1)
        var first = try NamedDetector(name), second = try NamedDetector(name)
        #expect(firings(&first, on: stream) == firings(&second, on: stream))
    }

    @Test(arguments: driftDetectors.map(\.key))
    func goesOnExactlyAfterSavingAndRestoringAnywhere(_ name: String) throws {
        let stream = steppingStream(seed: 2)
        var uninterrupted = try NamedDetector(name), interrupted = uninterrupted
        for (index, x) in stream.enumerated() {
            if index % 37 == 0 { interrupted = try JSONDecoder().decode(NamedDetector.self, from: JSONEncoder().encode(interrupted)) }
            #expect(uninterrupted.update(x) == interrupted.update(x), "at \(index)")
        }
    }

    @Test(arguments: ["ADWIN", "PageHinkley", "KSWIN", "CUSUM"])
    func findsAStepSoonAfterIt(_ name: String) throws {
        var detector = try NamedDetector(name)
        let first = try #require(firings(&detector, on: steppingStream(seed: 3)).first { $0 >= 600 })
        #expect(first < 660)
    }

    @Test func everyNFiresAtEveryNth() throws {
        var detector = try NamedDetector("EveryN", settings: .object(["every": .integer(3)]))
        #expect(firings(&detector, on: [Double](repeating: 0, count: 10)) == [2, 5, 8])
    }

    @Test func ddmWarnsBeforeItFires() {
        var detector = DDM(DDM.Configuration())
        var random = RandomSource(seed: 4)
        var warned: Int?, fired: Int?
        for index in 0..<2000 where fired == nil {
            let fires = detector.update(random.uniform() < (index < 1000 ? 0.1 : 0.4) ? 1 : 0)
            if detector.isWarning, index >= 1000, warned == nil { warned = index }
            if fires, index >= 1000 { fired = index }
        }
        #expect(warned != nil && fired != nil && warned! < fired!)
    }

    @Test func skipsAndCountsNumbersThatAreNotFinite() throws {
        var clean = try NamedDetector("ADWIN"), dirty = clean
        let stream = steppingStream(seed: 5)
        let expected = firings(&clean, on: stream)
        var found: [Int] = []
        for (index, x) in stream.enumerated() {
            #expect(!dirty.update(.nan) && !dirty.update(.infinity))
            if dirty.update(x) { found.append(index) }
        }
        #expect(found == expected && dirty.ignored == 2400)
    }

    @Test func anUnknownNameIsRefusedWithAllKnownOnes() {
        #expect(throws: SettingsError("detector", "there is no 'Page'; there are ADWIN, PageHinkley, DDM, KSWIN, CUSUM, EveryN")) {
            try NamedDetector("Page")
        }
    }

    @Test(arguments: driftDetectors.map(\.key))
    func refusesUnknownKeys(_ name: String) {
        #expect(throws: SettingsError.self) { try NamedDetector(name, settings: .object(["no_such_key": .integer(1)])) }
    }

    @Test(arguments: [
        (#"{"delta": 2}"#, "delta"), (#"{"clock": 0}"#, "clock"), (#"{"clock": "often"}"#, "clock"),
        (#"{"min_window_length": 1.5}"#, "min_window_length"),
        (#"{"klok": 1}"#, "klok"), ("[]", ""), ("{", ""), (#"{"delta": null}"#, "delta"), (#"{"clock": -9223372036854775808}"#, "clock"),
    ])
    func refusesNonsenseByName(_ json: String, _ key: String) throws {
        let error = #expect(throws: SettingsError.self) { try ADWIN.Configuration(json: json) }
        #expect(error?.key == key, "\(String(describing: error))")
    }

    @Test func anEmptyObjectAmongTheDefaultsStandsForAnything() throws {
        struct Open: Settings {
            var inner: JSON = [:]
            func validate() throws(SettingsError) {}
        }
        #expect(try Open(["inner": ["rate": 0.5]]).inner == ["rate": 0.5])
    }

    @Test func settingsLieOverTheDefaults() throws {
        let settings = try PageHinkley.Configuration(json: #"{"mode": "up", "min_instances": 5}"#)
        #expect(settings.mode == .up && settings.minInstances == 5 && settings.threshold == 50)
        #expect(try PageHinkley.Configuration(json: settings.json) == settings)
    }
}
