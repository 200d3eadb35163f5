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
        var consents = SoundConsents()
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
        listening.consents.note(reading.consent, at: reading.stamp.time)
        do {
            pass(on: try listening.finder.add(try modality.waveform(of: raw), at: reading.stamp.time), of: voice, listening)
            if let likely = listening.finder.takeLikely() { words.expect(utterance(likely, of: voice, listening)) }
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
            pass(on: (try? listening.finder.finish()) ?? [], of: voice, oldest)
            voices.remove(voice)
        }
    }

    private func pass(on found: [SpokenUtterance], of voice: Voice, _ listening: Listening) {
        for sound in found { words.hear(utterance(sound, of: voice, listening)) }
    }

    private func utterance(_ sound: SpokenUtterance, of voice: Voice, _ listening: Listening) -> SpokenWords.Utterance {
        var utterance = SpokenWords.Utterance(sound, session: voice.session, source: voice.source, arrived: listening.arrived)
        utterance.consent = listening.consents.strictest(since: sound.begin)
        return utterance
    }
}

/// The classes of a source's newest sounds: words are of the strictest class of the sounds that they are transcribed from.
struct SoundConsents {
    private var sounds: [(time: Int64, consent: Consent)] = []

    /// Of more, the oldest two count as one. The longest utterance has 30 s.
    static let capacity = 1_024
    private static let span: Int64 = 60_000_000_000

    mutating func note(_ consent: Consent, at time: Int64) {
        sounds.append((time, consent))
        while let first = sounds.first, sounds.count > 1, time.clampedSubtracting(first.time) > Self.span { sounds.removeFirst() }
        if sounds.count > Self.capacity {
            sounds[1] = (sounds[0].time, sounds[0].consent.orStricter(sounds[1].consent))
            sounds.removeFirst()
        }
    }

    /// The strictest class of the sounds from a time on, with the one that lasts until then.
    func strictest(since time: Int64) -> Consent {
        let first = sounds.lastIndex { $0.time <= time } ?? 0
        return .strictest(sounds[first...].map(\.consent))
    }
}
