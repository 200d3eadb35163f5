import FilesTesting
import Foundation
import Safetensors
import Senses
import Signals
import SoundsTesting
import Testing

private let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
private let file = root.appending(path: "models/\(VoiceActivity.fileName)").path

@Suite(
    .enabled(
        if: FileManager.default.fileExists(atPath: file) || nothingMayBeMissing,
        "models/silero-vad-16k.safetensors (deploy/models senses) is absent"))
struct VoiceActivityTests {
    /// Numbers of Silero's own ONNX file.
    private static let expected: [Float] = [
        0.1151, 0.7157, 0.6799, 0.5985, 0.7874, 0.8983, 0.9764, 0.9903, 0.9897, 0.9894, 0.9864, 0.9949, 0.9866, 0.9868, 0.9959, 0.9949,
        0.9894, 0.9925, 0.9958, 0.9993, 0.9972, 0.9985, 0.9979, 0.9983, 0.9873, 0.0409, 0.0218, 0.0202, 0.0144, 0.0111, 0.0099, 0.0096,
        0.0097, 0.0101, 0.0105, 0.0109, 0.0113, 0.0116, 0.0118, 0.0121, 0.3645, 0.8099, 0.9096, 0.9503, 0.8449, 0.901, 0.8947, 0.9744,
        0.9945, 0.9958, 0.998, 0.9977, 0.999, 0.9992, 0.9972, 0.995, 0.9862, 0.9893, 0.9954, 0.9975, 0.9976, 0.998, 0.9979,
    ]

    @Test func probabilitiesAreThoseOfTheReference() throws {
        var voice = try VoiceActivity(path: file)
        let found = try voice.probabilities(of: vowels())
        #expect(found.count == Self.expected.count)
        for (index, (a, b)) in zip(found, Self.expected).enumerated() { #expect(abs(a - b) < 1e-3, "frame \(index): \(a), \(b)") }
    }

    /// Frames in several calls give what they give in one.
    @Test func aStreamGivesTheSame() throws {
        var whole = try VoiceActivity(path: file), parts = whole
        let sound = vowels()
        let first = try parts.probabilities(of: Array(sound[..<5_120])), second = try parts.probabilities(of: Array(sound[5_120...]))
        let all = try whole.probabilities(of: sound)
        #expect(zip(first + second, all).allSatisfy { abs($0 - $1) < 1e-6 } && first.count + second.count == all.count)
        whole.reset()
        #expect(try whole.probabilities(of: sound) == all)
        #expect(try whole.probabilities(of: []) == [])
    }

    @Test func utterancesBeginAndEndWithTheVowels() throws {
        var voice = try VoiceActivity(path: file)
        let found = utterances(in: try voice.probabilities(of: vowels()), samples: 32_000)
        #expect(found == [32..<13_280, 20_512..<32_000])
    }
}

@Suite struct UtterancesTests {
    private func found(_ probabilities: [Float], samples: Int? = nil) -> [Range<Int>] {
        var settings = UtteranceSettings()
        settings.margin = 0
        return utterances(in: probabilities, samples: samples ?? probabilities.count * 512, settings)
    }

    @Test func aShortSilenceDoesNotEndAnUtterance() {
        let speech = [Float](repeating: 0.9, count: 10)
        #expect(found(speech + [0.1, 0.1] + speech) == [0..<22 * 512])
        #expect(found(speech + [0.1, 0.1, 0.1, 0.1] + speech) == [0..<10 * 512, 14 * 512..<24 * 512])
        #expect(found(speech + [0.4, 0.4, 0.4, 0.4] + speech) == [0..<24 * 512], "between both bounds speech goes on")
    }

    @Test func aShortUtteranceIsNone() {
        #expect(found([0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]) == [])
        #expect(found([]) == [])
    }

    @Test func theLastUtteranceEndsWithTheSound() { #expect(found([Float](repeating: 0.9, count: 10), samples: 5_000) == [0..<5_000]) }

    @Test func marginsDivideTheTimeBetweenUtterances() {
        let speech = [Float](repeating: 0.9, count: 10)
        var settings = UtteranceSettings()
        settings.margin = 0.1
        #expect(
            utterances(in: [0.1] + speech + [0.1, 0.1, 0.1, 0.1] + speech, samples: 25 * 512, settings)
                == [0..<13 * 512, 13 * 512..<25 * 512])
    }

    @Test func aFileThatIsNoNetworkIsRefused() throws {
        let folder = Folder(), path = folder.path("wrong.safetensors")
        #expect { try VoiceActivity(path: path) } throws: { "\($0)".contains("deploy/models senses") }
        try TensorArchive.write([TensorContent(name: "stft_conv.weight", shape: [2], floats: [1, 2])], to: path)
        #expect { try VoiceActivity(path: path) } throws: { "\($0)".contains("stft_conv.weight") }
    }

    @Test func aFileThatIsNoSoundIsRefused() {
        #expect(throws: SignalRefusal(.undecodable, "not a WAV file")) { try Waveform(ofFile: [1, 2, 3], maximumSeconds: 1) }
        let samples = (0..<4_000).map { Float(sin(Double($0) * 0.1)) }
        let bytes = try? AudioModality.file(
            of: RawReading(
                modality: "audio", format: "audio/x-f32le", sampleRate: 8_000,
                payload: samples.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
        ).bytes
        let sound = bytes.flatMap { try? Waveform(ofFile: $0, maximumSeconds: 1) }
        #expect(sound?.sampleRate == 8_000 && sound?.samples.count == 4_000 && sound?.resampled(to: 16_000).samples.count == 8_000)
        #expect(throws: SignalRefusal.self) { try Waveform(ofFile: bytes ?? [], maximumSeconds: 0.1) }
    }

    /// A WAV file of floats whose header announces `length` bytes of samples.
    private func wav(_ samples: [Float], rate: UInt32 = 16_000, announcing length: UInt32? = nil) -> [UInt8] {
        func four(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
        func two(_ number: UInt16) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
        let length = length ?? UInt32(4 * samples.count), data = samples.flatMap { four($0.bitPattern) }
        return Array("RIFF".utf8) + four(36 &+ length) + Array("WAVEfmt ".utf8) + four(16) + two(3) + two(1) + four(rate) + four(4 &* rate)
            + two(4) + two(32) + Array("data".utf8) + four(length) + data
    }

    /// Eight hours are announced: the samples that are there are read, and a file that holds too much is refused before it is decoded.
    @Test func theLengthOfASoundIsThatOfItsSamples() throws {
        let samples = (0..<1_000).map { Float($0) / 1_000 }
        for length in [4 * 16_000 * 8 * 3_600, UInt32.max, 4] as [UInt32] {
            let sound = try Waveform(ofFile: wav(samples, announcing: length), maximumSeconds: 7_200)
            #expect(sound.samples == samples || length == 4 && sound.samples == [0])
        }
        let long = [Float](repeating: 0, count: 7_201 * 1_000)
        #expect { try Waveform(ofFile: wav(long, rate: 1_000), maximumSeconds: 7_200) } throws: {
            ($0 as? SignalRefusal)?.reason == .tooLarge
        }
    }

    @Test func aSoundWithoutSamplesOrWithOnesThatAreNotFiniteIsRefused() {
        #expect { try Waveform(ofFile: wav([]), maximumSeconds: 1) } throws: { ($0 as? SignalRefusal)?.reason == .empty }
        for number in [Float.nan, .infinity, -.infinity] {
            #expect { try Waveform(ofFile: wav([0, number, 0]), maximumSeconds: 1) } throws: {
                ($0 as? SignalRefusal)?.reason == .nonFinite
            }
        }
        #expect(throws: SignalRefusal.self) { try Waveform(ofFile: wav([0.5], rate: 0), maximumSeconds: 1) }
        #expect(throws: SignalRefusal.self) { try Waveform(ofFile: wav([0.5], rate: .max), maximumSeconds: 1) }
    }
}
