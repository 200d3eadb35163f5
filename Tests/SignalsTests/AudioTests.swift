import Foundation
import Testing
@testable import Signals

@Suite struct AudioTests {
    let sounds: AudioModality

    init() throws {
        sounds = try AudioModality(SignalConfiguration())
    }

    @Test func wavDecodesToItsSamples() throws {
        let wave = try WAV.decode(bytes(Fixtures.wavChirp), limits: SoundLimits(maximumSeconds: 1))
        #expect(wave.sampleRate == 8000 && wave.samples.count == 1000 && wave.duration == 125_000_000)
        #expect(Array(wave.samples.prefix(16)) == Fixtures.chirpStart)
    }

    @Test func channelsAreAveraged() throws {
        let wave = try WAV.decode(bytes(Fixtures.wavStereoFloat), limits: SoundLimits(maximumSeconds: 1))
        #expect(wave.samples.count == 200)
        #expect(zip(wave.samples, Fixtures.chirpStart).allSatisfy { abs($0 - $1 / 4) < 3e-5 })
    }

    @Test func whatWeWriteWeReadBack() throws {
        let wave = try WAV.decode(bytes(Fixtures.wavChirp), limits: SoundLimits(maximumSeconds: 1))
        let again = try WAV.decode(WAV.encode(wave), limits: SoundLimits(maximumSeconds: 1))
        #expect(zip(wave.samples, again.samples).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test func logMelAgreesWithNumPy() throws {
        let features = try sounds.features(of: RawReading(modality: "audio", format: "audio/wav", payload: bytes(Fixtures.wavChirp)))
        #expect(features.rows == 7 && features.columns == 32 && features.validity == 1 && features.duration == 125_000_000)
        for (ours, theirs) in zip(features.values, Fixtures.chirpMel) { #expect(abs(ours - theirs) < 1e-4) }
    }

    @Test func rawSamplesGiveTheFeaturesOfTheSameWAV() throws {
        let wav = bytes(Fixtures.wavChirp)
        let expected = try sounds.features(of: RawReading(modality: "audio", format: "audio/wav", payload: wav))
        let raw = RawReading(modality: "audio", format: "audio/x-s16le", sampleRate: 8000, payload: Array(wav.dropFirst(44)))
        #expect(try sounds.features(of: raw) == expected)
        let samples = try WAV.decode(wav, limits: SoundLimits(maximumSeconds: 1)).samples
        let floats = RawReading(modality: "audio", format: "audio/x-f32le", sampleRate: 8000, payload: RawReading(vector: samples).payload)
        #expect(try sounds.features(of: floats) == expected)
    }

    @Test(arguments: [44_100, 48_000, 16_000, 22_050, 11_025, 7_999, 4_000])
    func resamplingKeepsATone(rate: Int) {
        let tone = Waveform(samples: (0..<rate / 2).map { Float(sin(2 * Double.pi * 1000 * Double($0) / Double(rate))) }, sampleRate: rate)
        let resampled = Resampler(target: 8000)(tone)
        #expect(abs(resampled.samples.count - 4000) <= 1)
        for n in 200..<3800 { #expect(abs(Double(resampled.samples[n]) - sin(2 * Double.pi * 1000 * Double(n) / 8000)) < 2e-3) }
    }

    @Test func resamplingRemovesWhatTheNewRateCannotHold() {
        let tone = Waveform(samples: (0..<48_000).map { Float(sin(2 * Double.pi * 6000 * Double($0) / 48_000)) }, sampleRate: 48_000)
        let resampled = Resampler(target: 8000)(tone)
        #expect(resampled.samples[200..<7800].allSatisfy { abs($0) < 2e-3 })
    }

    @Test(arguments: [(1, 2), (79, 3), (80, 1), (81, 7), (1_600, 2), (1_600, 3), (16_000, 2), (80_000, 2)])
    func silenceIsNothingAtAnyLength(count: Int, pooled: Int) throws {
        var configuration = SignalConfiguration()
        configuration.audio.pooled = pooled
        let silence = RawReading(
            modality: "audio", format: "audio/x-s16le", sampleRate: 8000, payload: Array(repeating: 0, count: 2 * count))
        let features = try AudioModality(configuration).features(of: silence)
        #expect(features.validity == 0)
        #expect(features.values.allSatisfy { $0 == 0 })
    }

    /// The louder a sound, the smaller the effect of 10⁻⁶; from the scale of 16 bits on, its features are the same at any scale of a Float.
    @Test func samplesOfAnyScaleGiveTheSameFeatures() throws {
        let samples = try WAV.decode(bytes(Fixtures.wavChirp), limits: SoundLimits(maximumSeconds: 1)).samples
        func features(times scale: Float) throws -> Features {
            let payload = RawReading(vector: samples.map { $0 * scale }).payload
            return try sounds.features(of: RawReading(modality: "audio", format: "audio/x-f32le", sampleRate: 8000, payload: payload))
        }
        let words = try features(times: 32_768)
        #expect(zip(words.values, try features(times: 1).values).contains { abs($0 - $1) > 1e-4 })
        for scale: Float in [65_536, 1e6, 1e8, 1e9, 1e12, 1e20, 1e30, 3e38] {
            let other = try features(times: scale)
            #expect(other.validity == 1)
            #expect(zip(other.values, words.values).allSatisfy { abs($0 - $1) < 1e-3 }, "times \(scale)")
        }
        #expect(try features(times: 1e-20).validity < 1e-15)
    }

    /// Noise in one band and silence in the others: the effect of 10⁻⁶ is the same when samples are scaled below 1.
    @Test func aHugeSoundWithSilenceInItIsFinite() throws {
        let samples = (0..<4000).map { Float($0 < 2000 ? 0 : 3e38 * sin(Double($0))) }
        let reading = RawReading(modality: "audio", format: "audio/x-f32le", sampleRate: 8000, payload: RawReading(vector: samples).payload)
        let features = try sounds.features(of: reading)
        #expect(features.values.allSatisfy(\.isFinite) && features.validity == 1)
        #expect((features.values.min() ?? 0, features.values.max() ?? 0) < (-0.5, 3))
    }

    @Test func everyBrokenSoundIsRefusedByName() {
        let wav = bytes(Fixtures.wavChirp)
        var adpcm = wav
        adpcm[20] = 2
        var headless = wav
        headless[8] = 0x20
        let cases: [(String, [UInt8], Int, Int, SignalRefusal.Reason)] = [
            ("audio/wav", [], 0, 0, .empty),
            ("audio/wav", Array(wav.prefix(44)), 0, 0, .truncated),
            ("audio/wav", Array(wav.prefix(20)), 0, 0, .truncated),
            ("audio/wav", headless, 0, 0, .undecodable),
            ("audio/wav", Array(repeating: 1, count: 500), 0, 0, .undecodable),
            ("audio/x-s16le", [1, 2, 3], 0, 8000, .truncated),
            ("audio/x-s16le", [1, 2], 2, 8000, .truncated),
            ("audio/x-s16le", [1, 2], 1, 0, .wrongShape),
            ("audio/x-s16le", [1, 2], 1, -5, .wrongShape),
            ("audio/x-s16le", [1, 2], Int.max, 8000, .wrongShape),
            ("audio/x-s16le", Array(repeating: 0, count: 62_000), 1, 1000, .tooLarge),
            ("audio/x-f32le", RawReading(vector: [0, .nan]).payload, 1, 8000, .nonFinite),
            ("audio/x-f32le", RawReading(vector: [0, .infinity]).payload, 1, 8000, .nonFinite),
            ("audio/mpeg", [1], 1, 1, .unknownFormat),
        ]
        for (format, payload, channels, rate, reason) in cases {
            let reading = RawReading(modality: "audio", format: format, channels: channels, sampleRate: rate, payload: payload)
            #expect(
                refusal { try sounds.features(of: reading) }?.reason == reason, "\(format), \(payload.count) bytes, \(channels), \(rate) Hz"
            )
        }
        let compressed = refusal { try sounds.features(of: RawReading(modality: "audio", format: "audio/wav", payload: adpcm)) }
        #expect([.undecodable, .unknownFormat].contains(compressed?.reason))
    }

    @Test(arguments: [Fixtures.wavChirp, Fixtures.wavStereoFloat])
    func mutatedSoundsAreRefusedOrRead(fixture: String) {
        let outcome = survivors(of: bytes(fixture), rounds: 1_000, seed: 11) { payload in
            try sounds.features(of: RawReading(modality: "audio", format: "audio/wav", payload: payload))
        }
        #expect(outcome.refused > 0 && outcome.finite)
    }
}
