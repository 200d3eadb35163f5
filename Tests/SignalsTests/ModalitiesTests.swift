import FilesTesting
import Foundation
import Statistics
import Testing
import Tokenization
@testable import Signals

@Suite struct ModalitiesTests {
    @Test func everyModalityIsListedUnderItsOwnName() throws {
        for (name, type) in modalities {
            #expect(type.name == name)
            #expect(type.formats.allSatisfy { $0.hasPrefix(name + "/") })
            #expect(type.version > 0)
            _ = try frontend(for: name)
        }
    }

    @Test func anUnknownModalityIsNamed() {
        let known = modalities.map(\.key).joined(separator: ", ")
        #expect(throws: SettingsError("modality", "is 'smell', not one of \(known)")) {
            try frontend(for: "smell")
        }
    }

    @Test(arguments: modalities.map(\.key))
    func everyFrontendRefusesForeignFormatsAndNothing(name: String) throws {
        let frontend = try frontend(for: name)
        #expect(refusal { try frontend.features(of: RawReading(modality: name, format: "x/y", payload: [1])) }?.reason == .unknownFormat)
        for format in type(of: frontend).formats {
            let nothing = RawReading(modality: name, format: format, width: 0, height: 0, sampleRate: 8000, payload: [])
            #expect(refusal { try frontend.features(of: nothing) }?.reason == .empty)
        }
    }

    @Test(
        arguments: [
            (\SignalConfiguration.image.patch, 5, "setting 'image.patch': is 5, which does not divide the size 32"),
            (\SignalConfiguration.image.size, 0, "setting 'image.size': 0 is not within 1…1024"),
            (\SignalConfiguration.image.channels, 2, "setting 'image.channels': is 2, not 1 or 3"),
            (\SignalConfiguration.audio.hop, 300, "setting 'audio.hop': 300 is not within 1…256"),
            (\SignalConfiguration.audio.bands, 0, "setting 'audio.bands': 0 is not within 1…512"),
            (\SignalConfiguration.text.maximumBytes, 0, "setting 'text.maximumBytes': 0 is not within 1…16777216"),
            (\SignalConfiguration.vector.length, 0, "setting 'vector.length': 0 is not within 1…65536"),
        ] as [(WritableKeyPath<SignalConfiguration, Int> & Sendable, Int, String)])
    func nonsenseIsNamed(key: WritableKeyPath<SignalConfiguration, Int> & Sendable, value: Int, sentence: String) {
        var configuration = SignalConfiguration()
        configuration[keyPath: key] = value
        #expect(configuration.problems.map(\.description).contains(sentence))
    }

    @Test(arguments: [
        ([], [1e-300], "vector.scale"), ([], [1e300], "vector.scale"), ([], [0], "vector.scale"), ([], [.nan], "vector.scale"),
        ([1e300], [], "vector.mean"),
    ])
    func numbersThatFloatDoesNotHoldAreNoScale(mean: [Double], scale: [Double], key: String) {
        var configuration = SignalConfiguration()
        (configuration.vector.mean, configuration.vector.scale) = (mean, scale)
        #expect(configuration.problems.map(\.key) == [key])
    }

    @Test func vectorsOfAnyFiniteNumbersGiveFiniteFeatures() throws {
        var configuration = SignalConfiguration()
        (configuration.vector.mean, configuration.vector.scale) = ([-3e38, 3e38, 0], [1.2e-38, 3e38, 1.2e-38])
        let numbers: [Float] = [3e38, -3e38, .leastNonzeroMagnitude, -0.0, .greatestFiniteMagnitude, -.leastNormalMagnitude]
        let features = try VectorModality(configuration).features(of: RawReading(vector: numbers))
        #expect(features.values.allSatisfy { $0.isFinite })
        #expect(features.values[2] != 0 || Float.leastNonzeroMagnitude / 1.2e-38 == 0)
        for number in [Float.nan, .infinity, -.infinity, .signalingNaN] {
            let vectors = try VectorModality(configuration)
            #expect(refusal { try vectors.features(of: RawReading(vector: [0, number])) }?.reason == .nonFinite)
        }
    }

    @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x61, 0xE4, 0xB8], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func textThatIsNoUTF8IsRefused(payload: [UInt8]) throws {
        let text = try TextModality(SignalConfiguration())
        #expect(
            refusal { try text.features(of: RawReading(modality: "text", format: "text/utf-8", payload: payload)) }?.reason == .undecodable)
    }

    @Test func textWithoutATokenIsEmpty() throws {
        let folder = Folder()
        try Data(#"{"a":0}"#.utf8).write(to: URL(filePath: folder.path("vocab.json")))
        try Data().write(to: URL(filePath: folder.path("merges.txt")))
        var configuration = SignalConfiguration()
        configuration.text.tokenizer = folder.path
        let text = try TextModality(configuration)
        #expect(try text.features(of: RawReading(text: "xay")).values == [0])
        #expect(refusal { try text.features(of: RawReading(text: "xyz")) }?.reason == .empty)
    }

    /// A reading cannot end a text, or a turn of a conversation, by writing a special token.
    @Test func specialTokensInATextArePlainText() throws {
        let folder = Folder(), special = "<|endoftext|>"
        var vocabulary = Dictionary(uniqueKeysWithValues: Set("a" + special).sorted().enumerated().map { (String($1), $0) })
        vocabulary[special] = 50
        try JSONEncoder().encode(vocabulary).write(to: URL(filePath: folder.path("vocab.json")))
        try Data().write(to: URL(filePath: folder.path("merges.txt")))
        #expect(try openTokenizer(path: folder.path).encode(special) == [50])
        var configuration = SignalConfiguration()
        configuration.text.tokenizer = folder.path
        let tokens = try TextModality(configuration).features(of: RawReading(text: "a\(special)a")).values.map { Int($0) }
        #expect(tokens.count == special.count + 2 && !tokens.contains(50))
        #expect(try openTokenizer(path: folder.path).decode(tokens) == Array("a\(special)a".utf8))
    }

    @Test func defaultsMakeSenseAndSurviveCoding() throws {
        let defaults = SignalConfiguration()
        #expect(defaults.problems.isEmpty)
        #expect(try JSONDecoder().decode(SignalConfiguration.self, from: JSONEncoder().encode(defaults)) == defaults)
    }

    @Test func textBecomesTheBytesOfItsWords() throws {
        let text = try TextModality(SignalConfiguration())
        let features = try text.features(of: RawReading(text: "añ"))
        #expect(features.rows == 3 && features.columns == 1 && features.values == [97, 195, 177])
        #expect(
            refusal { try text.features(of: RawReading(modality: "text", format: "text/utf-8", payload: [0x61, 0xFF])) }?.reason
                == .undecodable)
        #expect(refusal { try text.features(of: RawReading(text: String(repeating: "a", count: 4097))) }?.reason == .tooLarge)
    }

    @Test func vectorsAreShiftedScaledAndSquashed() throws {
        var configuration = SignalConfiguration()
        configuration.vector.length = 4
        configuration.vector.mean = [1]
        configuration.vector.scale = [2, 1e-30]
        let vectors = try VectorModality(configuration)
        let features = try vectors.features(of: RawReading(vector: [3, 1e30, -2]))
        #expect(features.rows == 1 && features.columns == 4)
        #expect(abs(features.values[0] - 0.8813736) < 1e-6)
        #expect(features.values[1].isFinite && features.values[1] > 80)
        #expect(abs(features.values[2] + 1.4436355) < 1e-6)
        #expect(features.values[3] == 0)
    }

    @Test func brokenVectorsAreRefusedByName() throws {
        let vectors = try VectorModality(SignalConfiguration())
        #expect(
            refusal { try vectors.features(of: RawReading(modality: "vector", format: "vector/f32le", payload: [1, 2, 3])) }?.reason
                == .truncated)
        #expect(refusal { try vectors.features(of: RawReading(vector: Array(repeating: 0, count: 17))) }?.reason == .tooLarge)
        #expect(refusal { try vectors.features(of: RawReading(vector: [1, .nan])) }?.reason == .nonFinite)
        #expect(refusal { try vectors.features(of: RawReading(vector: [-.infinity])) }?.reason == .nonFinite)
    }
}
