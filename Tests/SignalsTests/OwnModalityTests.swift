import FilesTesting
import Foundation
import Signals
import Statistics
import StrictJSON
import Testing

/// A modality of finger pressures in bytes, defined outside the library.
private struct Touch: Modality {
    static let name = "touch"
    static let formats = ["touch/u8"]
    static let version: UInt32 = 1

    struct Configuration: ModalitySettings {
        var fingers = 2

        var problems: [SettingsError] { [.unless("fingers", fingers, in: 1...10)].compactMap(\.self) }
    }

    private let fingers: Int

    init(_ configuration: SignalConfiguration) throws(SettingsError) {
        let own = configuration[Self.self]
        if let problem = own.problems.first { throw problem }
        fingers = own.fingers
    }

    func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        guard reading.format == "touch/u8" else { throw SignalRefusal(.unknownFormat, reading.format) }
        guard reading.payload.count == fingers else { throw SignalRefusal(.wrongShape, "\(reading.payload.count) bytes") }
        return Features(
            modality: Self.name, version: Self.version, rows: 1, columns: fingers, values: reading.payload.map { Float($0) / 255 })
    }

    static func shape(_ settings: Configuration) -> FeatureShape? {
        FeatureShape(rows: 1, columns: settings.fingers, settings: "touch.fingers")
    }
}

/// A modality is one file and one line, in any module.
@Suite struct OwnModalityTests {
    private let mine = modalities.adding(Touch.name, Touch.self)

    @Test func readsBySettingsOfItsOwn() throws {
        var configuration = SignalConfiguration(for: mine)
        configuration[Touch.self].fingers = 3
        let touch = try frontend(for: "touch", configuration, from: mine)
        let features = try touch.features(of: RawReading(modality: "touch", format: "touch/u8", payload: [0, 51, 255]))
        #expect(features.values == [0, 0.2, 1] && mine["touch"]?.shape(in: configuration)?.columns == 3)
        configuration[Touch.self].fingers = 11
        #expect(configuration.problems.map(\.description) == ["setting 'touch.fingers': 11 is not within 1…10"])
        #expect(mine["touch"]?.shape(in: configuration) == nil)
        #expect(throws: SettingsError.self) { try frontend(for: "touch", configuration, from: mine) }
        #expect(throws: SettingsError.self) { try frontend(for: "touch", configuration) }
    }

    @Test func itsSettingsAreASectionLikeTheOthers() throws {
        var configuration = SignalConfiguration(for: mine)
        configuration[Touch.self].fingers = 5
        configuration.image.size = 16
        let coded = try JSONEncoder().encode(configuration), decoder = JSONDecoder()
        guard case .object(let sections) = try decoder.decode(JSON.self, from: coded) else {
            Issue.record("not an object")
            return
        }
        #expect(Set(sections.keys) == Set(modalities.map(\.key) + ["touch"]) && sections["touch"] == ["fingers": 5])
        decoder.userInfo[.modalities] = mine
        #expect(try decoder.decode(SignalConfiguration.self, from: coded) == configuration)
        #expect(try JSONDecoder().decode(SignalConfiguration.self, from: coded) != configuration, "nobody else knows the section")
    }

    @Test func aSessionKeepsItsReadingsInFiles() throws {
        let folder = Folder()
        let raw = RawReading(modality: "touch", format: "touch/u8", payload: [7, 0])
        func reading(_ time: Int64, _ raw: RawReading) -> SessionEvent {
            .reading(
                .init(time: time, session: "s", source: "x", modality: raw.modality, content: .payload(raw), endsMoment: false, domain: nil)
            )
        }
        var writer = try SessionWriter(path: folder.path("session"), modalities: mine)
        try writer.write(reading(1, raw))
        try writer.write(reading(2, RawReading(text: "soft")))
        let directory = try SessionDirectory(path: folder.path("session"), modalities: mine)
        let loaded = try directory.events().map { event -> RawReading? in
            guard case .reading(let reading) = try event.get() else { return nil }
            return try directory.load(reading)
        }
        #expect(loaded == [raw, RawReading(text: "soft")])
        let foreign = try SessionDirectory(path: folder.path("session")).events().map { event -> SignalRefusal.Reason? in
            if case .failure(let refusal) = event { return refusal.refusal.reason }
            return nil
        }
        #expect(foreign == [.unknownModality, nil])
        var stranger = try SessionWriter(path: folder.path("stranger"))
        #expect(throws: SignalRefusal.self) { try stranger.write(reading(1, raw)) }
    }
}
