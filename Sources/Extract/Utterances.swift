import Pipeline
import Schema
import Senses
import Signals
import Statistics

/// Finds the utterances of every source of sounds and passes them on to be transcribed.
struct Utterances {
    private struct Voice: Hashable {
        let session: String, source: String
        let timeline: UInt64
    }

    private struct Listening {
        var finder: UtteranceFinder
        /// When its newest sound arrived at ingest.
        var arrived: Int64
    }

    /// A source that is silent for so long, in nanoseconds, has ended its utterance.
    private static let longestSilence: Int64 = 1_000_000_000

    private let words: SpokenWords
    private let modality: AudioModality
    private let fresh: UtteranceFinder
    private var voices = RecentTable<Voice, Listening>(capacity: ExtractProcessor.mostVoices)
    private var problems = Drops()

    /// - Throws: `SettingsError` where the network's file is absent.
    init(_ settings: AudioModality.Configuration, _ words: SpokenWords) throws {
        self.words = words
        var signals = SignalConfiguration()
        signals.audio = settings
        modality = try AudioModality(signals)
        do {
            fresh = UtteranceFinder(try VoiceActivity(path: "\(settings.modelDirectory)/\(VoiceActivity.fileName)"))
        } catch {
            throw SettingsError("signals.audio.words", "\(error)")
        }
    }

    var telemetry: Telemetry {
        var telemetry = words.telemetry
        telemetry.drops.add(problems)
        return telemetry
    }

    /// A sound whose features were extracted.
    mutating func take(_ raw: RawReading, of sample: Sample) {
        let reading = sample.reading
        let voice = Voice(session: reading.session, source: reading.stamp.source, timeline: sample.timeline)
        var listening = voices[voice] ?? Listening(finder: fresh, arrived: sample.arrived)
        listening.arrived = sample.arrived
        do {
            pass(on: try listening.finder.add(try modality.waveform(of: raw), at: reading.stamp.time), of: voice, listening.arrived)
            if let likely = listening.finder.takeLikely() {
                words.expect(SpokenWords.Utterance(likely, session: voice.session, source: voice.source, arrived: listening.arrived))
            }
        } catch {
            problems.count(.nonFinite, because: "a sound in which utterances are sought: \(error)")
            listening.finder = fresh
        }
        voices.set(listening, for: voice)
    }

    /// Ends the utterances of sources that have fallen silent.
    mutating func end(at now: Instant) {
        while let (voice, oldest) = voices.oldest, now.nanoseconds.clampedSubtracting(oldest.arrived) > Self.longestSilence {
            var listening = oldest
            pass(on: (try? listening.finder.finish()) ?? [], of: voice, oldest.arrived)
            voices.remove(voice)
        }
    }

    private func pass(on found: [SpokenUtterance], of voice: Voice, _ arrived: Int64) {
        for utterance in found {
            words.hear(SpokenWords.Utterance(utterance, session: voice.session, source: voice.source, arrived: arrived))
        }
    }
}
