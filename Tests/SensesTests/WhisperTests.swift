import FilesTesting
import Foundation
import Safetensors
import Signals
import SoundsTesting
import Testing
@testable import Senses

private let models = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../models").standardizedFileURL.path
private let file = "\(models)/\(Whisper.fileName)"

@Suite(
    .enabled(
        if: FileManager.default.fileExists(atPath: file) || nothingMayBeMissing,
        "models/whisper-tiny.en.safetensors (deploy/models senses) is absent"))
struct WhisperTests {
    /// Numbers of faster-whisper's spectrum of the vowels.
    @Test func theSpectrumIsThatOfTheReference() throws {
        let levels = NumberMemory(MelSpectrum.frames * MelSpectrum.bands)
        MelSpectrum()(vowels(), into: levels.pointer, threads: 2)
        let sum = (0..<levels.count).reduce(0.0) { $0 + Double(levels.pointer[$1]) }
        #expect(abs(sum - -205_801.9) < 5)
        let expected: [(Int, Int, Float)] = [
            (0, 0, -0.539076), (5, 10, 0.299183), (60, 40, 0.601921), (120, 3, -0.905674), (199, 79, -0.905674), (2_999, 5, -0.905674),
        ]
        for (frame, band, level) in expected { #expect(abs(levels.pointer[frame * MelSpectrum.bands + band] - level) < 1e-3) }
    }

    /// Silence is not computed; it must be what computing gives.
    @Test func silenceHasTheLevelOfSilence() throws {
        let (none, silent) = (NumberMemory(MelSpectrum.frames * MelSpectrum.bands), NumberMemory(MelSpectrum.frames * MelSpectrum.bands))
        MelSpectrum()([], into: none.pointer, threads: 1)
        MelSpectrum()([Float](repeating: 0, count: Whisper.window), into: silent.pointer, threads: 1)
        #expect((0..<none.count).allSatisfy { none.pointer[$0] == -1.5 && silent.pointer[$0] == -1.5 })
    }

    /// Numbers of CTranslate2's encoder, and the tokens of its greedy search.
    @Test func featuresAndTokensAreThoseOfTheReference() throws {
        let network = try Whisper(path: file, threads: 2)
        let features = network.encoded(vowels())
        let norm = (0..<features.count).reduce(0.0) { $0 + pow(Double(features.pointer[$1]), 2) }.squareRoot()
        #expect(abs(norm - 774.494149) < 1e-2)
        let expected: [(Int, Float, Float)] = [
            (0, 1.221526, -0.106836), (37, -4.422208, 0.712983), (99, -0.487176, -1.711043), (700, -14.680197, 1.663312),
            (1_499, -19.833100, 0.216032),
        ]
        for (row, sum, seventh) in expected {
            let place = features.pointer + row * Whisper.C
            #expect(abs((0..<Whisper.C).reduce(0) { $0 + place[$1] } - sum) < 5e-2)
            #expect(abs(place[7] - seventh) < 5e-3)
        }
        #expect(try network.tokens(of: vowels()) == [290, 644, 345, 821, 691])
        #expect(try network.tokens(of: [Float](repeating: 0, count: 16_000)) == [345])
    }

    @Test func tokensDoNotDependOnThreads() throws {
        let one = try Whisper(path: file), three = try Whisper(path: file, threads: 3)
        let (a, b) = (one.encoded(vowels()), three.encoded(vowels()))
        #expect((0..<a.count).allSatisfy { a.pointer[$0].bitPattern == b.pointer[$0].bitPattern })
        #expect(try one.tokens(of: vowels()) == three.tokens(of: vowels()))
    }

    @Test func whoReadsEndsTheText() throws {
        var seen: [Int] = []
        let tokens = try Whisper(path: file, threads: 2).tokens(of: vowels()) { token in
            seen.append(token)
            return seen.count < 3
        }
        #expect(tokens == [290, 644] && seen == [290, 644, 345])
    }

    @Test func aNumberThatIsNotFiniteIsRefused() throws {
        var sound = vowels()
        sound[700] = .nan
        let network = try Whisper(path: file, threads: 2)
        #expect(throws: SensesError.self) { try network.tokens(of: sound) }
        sound[700] = .infinity
        #expect(throws: SensesError.self) { try network.tokens(of: sound) }
    }

    @Test func wordsComeAsTheyAreHeard() throws {
        let transcriber = try Transcriber(directory: models, threads: 2)
        var pieces: [String] = []
        let text = try transcriber.text(of: vowels()) { pieces.append($0) }
        #expect(text == "and what you're only" && pieces == ["and", " what", " you", "'re", " only"])
        #expect(try transcriber.windows(of: vowels()) == [0..<32_000], "the pause is shorter than two seconds")
        #expect(try transcriber.windows(of: [Float](repeating: 0, count: 32_000)) == [])
        #expect(try transcriber.windows(of: []) == [])
    }

    /// With less silence heard, a window ends with what silence is; the states of the sound differ little, and its text ends.
    @Test func aWindowThatIsNotFullEndsWithSilence() throws {
        let network = try Whisper(path: file, threads: 2), sound = vowels()
        let whole = network.encoded(sound), places = 130, part = network.encoded(sound, places: places)
        #expect(part.count == whole.count)
        let row = { (states: NumberMemory, place: Int) in (0..<Whisper.C).map { states.pointer[place * Whisper.C + $0] } }
        let none = network.encoded([], places: places)
        #expect((places..<Whisper.places).allSatisfy { row(part, $0) == row(none, $0) })
        let alike = (0..<100).map { place -> Float in
            let (a, b) = (row(part, place), row(whole, place))
            let products = zip(a, b).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            return products / (a.reduce(0) { $0 + $1 * $1 } * b.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }
        #expect(alike.reduce(0, +) / 100 > 0.9)
        for fill in [0, 4_800, Whisper.window - sound.count, .max, -1] {
            let tokens = try network.tokens(of: sound, fill: fill)
            #expect(tokens.count < 20)
            if fill >= Whisper.window - sound.count { #expect(try tokens == network.tokens(of: sound)) }
        }
        #expect(try network.tokens(of: [], fill: 0).count < 20)
    }

    /// Half a minute gives Whisper's own states; a shorter sound as many rows as it lasts, and a longer one half a minute at a time.
    @Test func theEncodersStatesAreFeaturesOfSound() throws {
        let sound = vowels(), network = try WhisperSound(path: file, threads: 2)
        let window = sound + [Float](repeating: 0, count: Whisper.window - sound.count)
        let whole = try network.features(of: window), states = try Whisper(path: file, threads: 2).encoded(sound)
        #expect(whole.count == 1_500 * 384 && whole.indices.allSatisfy { whole[$0] == states.pointer[$0] })
        let short = try network.features(of: sound)
        #expect(short.count == (sound.count + 319) / 320 * 384 && short.allSatisfy(\.isFinite))
        #expect(try WhisperSound(path: file, threads: 1).features(of: sound) == short)
        #expect(try network.features(of: [0.5]).count == 384)
        let longer = try network.features(of: window + sound)
        #expect(Array(longer[..<whole.count]) == whole && Array(longer[whole.count...]) == short)
        #expect(throws: SensesError.self) { try network.features(of: [.nan, 0]) }
    }

    /// Memory that was used before holds numbers that are not finite: a kernel that reads beyond what it was given would use them.
    @Test func shortSoundsDoNotDependOnWhatMemoryHeld() throws {
        let network = try WhisperSound(path: file, threads: 1), transcriber = try Whisper(path: file, threads: 1), sound = vowels()
        for rows in [1, 2, 15, 16, 17, 31, 32, 33, 48, 49] {
            let short = Array(sound[..<(rows * WhisperSound.hop)])
            var features: [[Float]] = [], states: [[Float]] = []
            for value in [0, Float.nan, 1_000] {
                leaveBehind(value)
                features.append(try network.features(of: short))
                leaveBehind(value)
                let encoded = transcriber.encoded(short, places: rows)
                states.append((0..<rows * Whisper.C).map { encoded.pointer[$0] })
            }
            #expect(features.allSatisfy { $0 == features[0] && $0.allSatisfy(\.isFinite) }, "\(rows) rows")
            #expect(states.allSatisfy { $0 == states[0] && $0.allSatisfy(\.isFinite) }, "\(rows) rows")
        }
    }

    /// Fills memory of many sizes and releases it.
    private func leaveBehind(_ value: Float) {
        let memory = (0..<4_000).map { NumberMemory([Float](repeating: value, count: 16 + $0 % 128)) }
        #expect(memory.count == 4_000)
    }

    @Test func aSoundOfTheGraphBecomesItsStates() throws {
        var configuration = SignalConfiguration()
        (configuration.audio.frontend, configuration.audio.weights, configuration.audio.pooled) = (WhisperSound.name, file, 3)
        #expect(AudioModality.shape(in: configuration) == FeatureShape(columns: 384, settings: "audio (frontend whisper-tiny-en)"))
        let frontend = try frontend(for: "audio", configuration)
        let samples = vowels().enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
        let payload = samples.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { [UInt8]($0) } }
        let reading = RawReading(modality: "audio", format: "audio/x-f32le", channels: 1, sampleRate: 8_000, payload: payload)
        let features = try frontend.features(of: reading)
        let rows = (vowels().count + 319) / 320
        #expect(features.rows == (rows + 2) / 3 && features.columns == 384 && features.version >= 1 << 31 && features.validity == 1)
        #expect(features.values.count == features.rows * 384 && features.values.allSatisfy(\.isFinite))
    }

    @Test func aTruncatedFileIsRefused() throws {
        let bytes = try Data(contentsOf: URL(filePath: file)), folder = Folder(), path = folder.path("short.safetensors")
        for count in [0, 7, 1_000, 40_000, bytes.count - 1] {
            try bytes.prefix(count).write(to: URL(filePath: path))
            #expect(throws: SensesError.self) { try Whisper(path: path) }
        }
    }
}

/// What does not need the real file.
@Suite struct WhisperFilesTests {
    private let folder = Folder()

    @Test func anAbsentFileSaysHowToGetIt() throws {
        let path = folder.path("none.safetensors")
        #expect { try Whisper(path: path) } throws: { "\($0)" == "\(path) does not exist; 'deploy/models senses' downloads it" }
        #expect { try WhisperSound(path: path, threads: 1) } throws: { "\($0)".contains("'deploy/models senses' downloads it") }
        var configuration = SignalConfiguration()
        (configuration.audio.frontend, configuration.audio.weights) = (WhisperSound.name, path)
        #expect { try frontend(for: "audio", configuration) } throws: { "\($0)".contains("deploy/models senses") }
        configuration.audio.frontend = "ears"
        #expect(
            configuration.problems.map(\.description) == ["setting 'audio.frontend': is 'ears', not one of mel, \(soundFrontends.names)"])
        #expect { try Transcriber(directory: folder.path("none")) } throws: { "\($0)".contains("'deploy/models senses' downloads it") }
    }

    @Test func aFileOfOtherShapesOrTokensIsRefused() throws {
        let path = folder.path("wrong.safetensors")
        func file(_ tensors: [TensorContent]) throws { try TensorArchive.write(tensors, to: path) }
        try file([TensorContent(name: "encoder/conv1/weight", shape: [2], floats: [1, 2])])
        #expect { try Whisper(path: path) } throws: { "\($0)".contains("suppressed") }
        let tokens = ["suppressed", "suppressed_first"].map { TensorContent(name: $0, shape: [1], integers: [3]) }
        try file(tokens + [TensorContent(name: "encoder/conv1/weight", shape: [2], floats: [1, 2])])
        #expect { try Whisper(path: path) } throws: { "\($0)".contains("encoder/conv1/weight") }
        try file([TensorContent(name: "suppressed", shape: [1], integers: [51_864])])
        #expect { try Whisper(path: path) } throws: { "\($0)".contains("not in the vocabulary") }
        let broken = [Float](repeating: .infinity, count: 384 * 80 * 3)
        try file(tokens + [TensorContent(name: "encoder/conv1/weight", shape: [384, 80, 3], floats: broken)])
        #expect { try Whisper(path: path) } throws: { "\($0)".contains("not finite") }
    }
}

@Suite struct SpeechWindowsTests {
    private let second = 16_000

    @Test func utterancesAreJoinedUntilAPauseOrTheEndOfAWindow() {
        func windows(_ utterances: [(Double, Double)]) -> [Range<Int>] {
            speechWindows(utterances.map { Int($0 * 16_000)..<Int($1 * 16_000) }, probabilities: [])
        }
        #expect(windows([(1, 3), (4, 6)]) == [second..<6 * second])
        #expect(windows([(1, 3), (5, 6)]) == [second..<3 * second, 5 * second..<6 * second], "a pause of two seconds")
        #expect(windows([(0, 20), (21, 30), (31, 32)]) == [0..<30 * second, 31 * second..<32 * second])
        #expect(windows([]) == [])
    }

    /// Frames of 512 samples; the one at 22.4 s is the quietest that a window of 30 s may end with.
    @Test func aLongUtteranceIsCutWhereSpeechIsLeastProbable() {
        var probabilities = [Float](repeating: 0.9, count: 1_250)
        probabilities[100] = 0.1
        probabilities[700] = 0.4
        let windows = speechWindows([0..<40 * second], probabilities: probabilities)
        #expect(windows == [0..<700 * 512 + 256, 700 * 512 + 256..<40 * second])
        let unknown = speechWindows([0..<70 * second], probabilities: [])
        #expect(unknown == [0..<30 * second, 30 * second..<60 * second, 60 * second..<70 * second])
    }

    @Test func noWindowIsLongerThanThirtySeconds() {
        for length in stride(from: 1, through: 200, by: 7) {
            let count = length * second, probabilities = (0..<count / 512).map { Float($0 * 37 % 101) / 101 }
            let windows = speechWindows([0..<count], probabilities: probabilities)
            #expect(windows.allSatisfy { !$0.isEmpty && $0.count <= Whisper.window })
            #expect(windows.first?.lowerBound == 0 && windows.last?.upperBound == count)
            #expect(zip(windows, windows.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        }
    }

    @Test func onlyWholeCharactersAreShown() {
        let text = Array("aé€🙂".utf8)
        let ends = (0...text.count).map { wholeCharacters(text[..<$0]) }
        #expect(ends == [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10])
        #expect(wholeCharacters([0x80, 0x80, 0x80, 0x80]) == 4, "bytes that belong to no character")
    }
}
