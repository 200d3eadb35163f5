import FilesTesting
import Foundation
import Senses
import SoundsTesting
import Statistics
import Testing
@testable import Signals

private let models = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../models").standardizedFileURL.path
private let file = "\(models)/\(VoiceActivity.fileName)"

@Suite(
    .enabled(
        if: FileManager.default.fileExists(atPath: file) || nothingMayBeMissing,
        "models/silero-vad-16k.safetensors (deploy/models senses) is absent"))
struct UtteranceFinderTests {
    private let silence = [Float](repeating: 0, count: 16_000)

    /// What is found in a sound that comes in pieces, without gaps.
    private func found(_ samples: [Float], pieces: (Int) -> Int, rate: Int = 16_000, finishes: Bool = true) throws -> [SpokenUtterance] {
        var finder = UtteranceFinder(try VoiceActivity(path: file)), found: [SpokenUtterance] = []
        var place = 0, index = 0
        while place < samples.count {
            let end = min(samples.count, place + pieces(index))
            found += try finder.add(
                Waveform(samples: Array(samples[place..<end]), sampleRate: rate),
                at: 5_000_000_000 + Int64(place) * 1_000_000_000 / Int64(rate))
            (place, index) = (end, index + 1)
        }
        return finishes ? found + (try finder.finish()) : found
    }

    /// The pause between the vowels is too short to end their utterance.
    @Test func anUtteranceEndsWithASilence() throws {
        let sound = silence + vowels() + silence
        let utterances = try found(sound, pieces: { _ in 1_600 }, finishes: false)
        #expect(utterances.count == 1)
        let only = try #require(utterances.first)
        #expect(abs(only.begin - 5_800_000_000) < 100_000_000, "a fifth of a second before the first vowel")
        #expect(abs(only.end - 8_200_000_000) < 150_000_000, "a fifth of a second after the last")
        let first = Int((only.begin - 5_000_000_000) * 16 / 1_000_000), last = first + only.samples.count
        #expect(only.samples == Array(sound[first..<last]))
        #expect(only.end - only.begin == Int64(only.samples.count) * 62_500)
    }

    /// It is known before the silence has lasted half a second, and is the same to the bit.
    @Test func anUtteranceThatIsLikelyToEndIsTheOneThatEnds() throws {
        var finder = UtteranceFinder(try VoiceActivity(path: file))
        let sound = silence + vowels() + silence
        var likely: [(SpokenUtterance, at: Int)] = [], ended: [(SpokenUtterance, at: Int)] = []
        for place in stride(from: 0, to: sound.count, by: 512) {
            let piece = Waveform(samples: Array(sound[place..<min(sound.count, place + 512)]), sampleRate: 16_000)
            ended += try finder.add(piece, at: Int64(place) * 62_500).map { ($0, place) }
            likely += finder.takeLikely().map { [($0, place)] } ?? []
            #expect(finder.takeLikely() == nil, "once")
        }
        let last = try #require(likely.last), end = try #require(ended.first)
        #expect(ended.count == 1 && last.0 == end.0)
        #expect(end.at - last.at >= 4_096, "a quarter of a second before")
    }

    @Test func theSizeOfThePiecesChangesNothing() throws {
        let sound = silence + vowels() + silence + vowels()
        let whole = try found(sound, pieces: { _ in sound.count })
        #expect(whole.count >= 2)
        #expect(try found(sound, pieces: { _ in 160 }) == whole)
        #expect(try found(sound, pieces: { 1 + $0 * 977 % 3_001 }) == whole)
    }

    @Test func aGapEndsAnUtterance() throws {
        var finder = UtteranceFinder(try VoiceActivity(path: file))
        let piece = Waveform(samples: Array(vowels()[..<11_200]), sampleRate: 16_000)
        #expect(try finder.add(piece, at: 0) == [])
        #expect(try finder.add(piece, at: 700_000_000).count == 0, "it goes on")
        let ended = try finder.add(piece, at: 3_000_000_000)
        #expect(ended.count == 1 && ended.first?.begin == 0 && ended.first?.end == 1_400_000_000)
        #expect(try finder.add(piece, at: 0).first?.begin == 3_000_000_000, "time that runs back is a gap too")
        #expect(try finder.finish().first?.begin == 0 && finder.kept == 0)
    }

    /// Forty seconds of vowels without a pause.
    @Test func aLongUtteranceIsCutAndNothingOfItIsLost() throws {
        let vowel = Array(vowels()[3_200..<11_200]), sound = Array((0..<80).map { _ in vowel }.joined())
        let utterances = try found(sound, pieces: { _ in 4_000 })
        #expect(utterances.count >= 2 && utterances.allSatisfy { $0.samples.count <= Whisper.window })
        #expect(zip(utterances, utterances.dropFirst()).allSatisfy { $0.end == $1.begin })
        #expect(utterances.reduce(0) { $0 + $1.samples.count } > sound.count - 8_000)
    }

    @Test func silenceAndNoiseAreNotKept() throws {
        var finder = UtteranceFinder(try VoiceActivity(path: file)), random = RandomSource(seed: 3), most = 0
        for second in 0..<60 {
            let noise = (0..<16_000).map { _ in second % 2 == 0 ? 0 : Float(random.uniform() - 0.5) * 0.01 }
            #expect(try finder.add(Waveform(samples: noise, sampleRate: 16_000), at: Int64(second) * 1_000_000_000) == [])
            most = max(most, finder.kept)
        }
        #expect(most < 8_000)
    }

    /// Whatever numbers, rates and times come, nothing traps and little is kept.
    @Test func anySoundAtAnyTimeIsBounded() throws {
        var finder = UtteranceFinder(try VoiceActivity(path: file)), random = RandomSource(seed: 12)
        let numbers: [Float] = [
            0, 1, -1, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1e20, .nan, .infinity,
        ]
        for _ in 0..<300 {
            let rate = [1_000, 8_000, 16_000, 44_101, 192_000][random.uniform(below: 5)]
            let time = [0, .max, .min, 5_000_000_000, -1][random.uniform(below: 5)] as Int64
            let wild = numbers[random.uniform(below: numbers.count)], count = random.uniform(below: 3_000)
            let samples = (0..<count).map { $0 % 7 == 0 ? wild : Float(random.uniform() - 0.5) }
            for utterance in (try? finder.add(Waveform(samples: samples, sampleRate: rate), at: time)) ?? [] {
                #expect(utterance.samples.count <= Whisper.window)
            }
            #expect(finder.kept <= Whisper.window + 60_000)
        }
    }

    @Test func otherRatesGiveTheSameUtterances() throws {
        let sound = silence + vowels() + silence, whole = try found(sound, pieces: { _ in 1_600 })
        for rate in [8_000, 44_100, 48_000] {
            let other = Waveform(samples: sound, sampleRate: 16_000).resampled(to: rate).samples
            let utterances = try found(other, pieces: { _ in rate / 10 }, rate: rate)
            #expect(utterances.count == whole.count)
            for (a, b) in zip(utterances, whole) { #expect(abs(a.begin - b.begin) < 100_000_000 && abs(a.end - b.end) < 100_000_000) }
        }
    }
}

@Suite struct StreamResamplerTests {
    @Test(arguments: [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 44_101])
    func piecesTogetherAreTheWholeResampled(rate: Int) {
        var random = RandomSource(seed: UInt64(rate))
        let samples = (0..<3 * rate / 2).map { _ in Float(random.uniform() - 0.5) }
        let whole = Waveform(samples: samples, sampleRate: rate).resampled(to: 16_000).samples
        for longest in [7, 1_000, samples.count] {
            var resampler = StreamResampler(from: rate, to: 16_000), pieces: [Float] = [], place = 0
            while place < samples.count {
                let end = min(samples.count, place + 1 + random.uniform(below: longest) + (longest == 7 ? 40 : 0))
                pieces += resampler.add(Array(samples[place..<end]))
                place = end
            }
            pieces += resampler.finish()
            #expect(pieces.count == whole.count)
            #expect(zip(pieces, whole).allSatisfy { abs($0 - $1) < 1e-5 })
        }
    }
}
