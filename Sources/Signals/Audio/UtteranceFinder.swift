import Senses
import Statistics

/// A stretch of a sound in which somebody speaks.
public struct SpokenUtterance: Sendable, Equatable {
    /// At 16 kHz.
    public var samples: [Float]
    /// When it begins and ends, on the clock of the sound, in nanoseconds.
    public var begin: Int64, end: Int64

    public init(samples: [Float], begin: Int64, end: Int64) {
        (self.samples, self.begin, self.end) = (samples, begin, end)
    }
}

/// Finds utterances in a stream of sounds, which come piece by piece.
///
/// It keeps an utterance that has begun, at most 30 seconds: a longer one is cut where speech is least probable.
public struct UtteranceFinder: Sendable {
    /// When an utterance begins and ends: a silence between the words of a sentence does not end it.
    public static let settings: UtteranceSettings = {
        var settings = UtteranceSettings()
        settings.shortestSilence = 0.48
        settings.margin = Transcriber.margin
        return settings
    }()
    /// Sound that comes later than this after the sound before it, or earlier, in nanoseconds, does not continue it.
    public static let longestGap: Int64 = 250_000_000

    private static let frame = VoiceActivity.frame
    /// The silence after which an utterance may have ended: what is added to its end, in whole frames.
    private static let likelyFrames = Int((settings.margin * Double(VoiceActivity.sampleRate) / Double(frame)).rounded(.up))
    private static let perSample = 1e9 / Double(VoiceActivity.sampleRate)

    private let fresh: VoiceActivity
    private var voice: VoiceActivity
    private var resampler: StreamResampler?
    /// Samples since `first`, whole frames with their probabilities, then what does not fill one.
    private var samples: [Float] = []
    private var probabilities: [Float] = []
    /// The time of the first of them.
    private var first: Int64 = 0
    /// The time of the end of all sound that has come.
    private var expected: Int64?
    /// The frame in which speech began, and the first frame of the silence after it.
    private var begun: Int?, quiet: Int?
    /// An utterance that ends if nobody speaks on, and the frame of its silence.
    private var likely: (utterance: SpokenUtterance, quiet: Int)?

    /// The number of samples that are kept.
    var kept: Int { samples.count }

    public init(_ voice: VoiceActivity) {
        fresh = voice
        self.voice = voice
    }

    /// Adds a piece of sound that begins at a time, and gives the utterances that have ended.
    /// - Throws: `SensesError` if the sound has numbers that are not finite.
    public mutating func add(_ piece: Waveform, at time: Int64) throws(SensesError) -> [SpokenUtterance] {
        guard piece.samples.allSatisfy(\.isFinite), !piece.samples.isEmpty else { return [] }
        var found: [SpokenUtterance] = []
        if let expected, time.clampedSubtracting(expected).magnitude > Self.longestGap.magnitude || resampler?.source != piece.sampleRate {
            found += try finish()
        }
        if expected == nil {
            first = time
            resampler = StreamResampler(from: piece.sampleRate, to: VoiceActivity.sampleRate)
        }
        samples += resampler?.add(piece.samples) ?? piece.samples
        expected = time.clampedAdding(piece.duration)
        return found + (try advance())
    }

    /// The utterance that ends, exactly so, unless somebody speaks on before the silence after it is long enough; once each. It is known
    /// some tenths of a second before it ends, so that it can be transcribed meanwhile.
    public mutating func takeLikely() -> SpokenUtterance? {
        defer { likely = nil }
        return likely?.quiet == quiet ? likely?.utterance : nil
    }

    /// Ends the sound, and the utterance that has begun.
    public mutating func finish() throws(SensesError) -> [SpokenUtterance] {
        samples += resampler?.finish() ?? []
        var found = try advance()
        if begun != nil, let last = utterance(endingAt: samples.count) { found.append(last) }
        self = UtteranceFinder(fresh)
        return found
    }

    /// The utterances that end with what has come.
    private mutating func advance() throws(SensesError) -> [SpokenUtterance] {
        let settings = Self.settings, rate = Double(VoiceActivity.sampleRate)
        let known = probabilities.count, whole = samples.count / Self.frame
        if whole > known {
            do {
                probabilities += try voice.probabilities(of: Array(samples[known * Self.frame..<whole * Self.frame]))
            } catch {
                self = UtteranceFinder(fresh)  // the network remembers what was not finite
                throw error
            }
        }
        var found: [SpokenUtterance] = []
        var index = known
        while index < probabilities.count {
            let probability = probabilities[index]
            if probability >= settings.threshold {
                begun = begun ?? index
                quiet = nil
            } else if begun != nil, probability < settings.silence {
                quiet = quiet ?? index
            }
            index += 1
            if let silence = quiet, index == silence + Self.likelyFrames {
                likely = utterance(endingAt: silence * Self.frame + Int(settings.margin * rate)).map { ($0, silence) }
            }
            if let silence = quiet, Double((index - silence) * Self.frame) >= settings.shortestSilence * rate {
                let end = silence * Self.frame + Int(settings.margin * rate)
                if let ended = utterance(endingAt: end) { found.append(ended) }
                (begun, quiet) = (nil, nil)
                index -= drop(upTo: end / Self.frame)
            } else if begun != nil, index * Self.frame - start() >= Whisper.window {
                let cut = quietest(in: start() + Whisper.window / 2..<start() + Whisper.window, probabilities) / Self.frame * Self.frame
                if let ended = utterance(endingAt: cut) { found.append(ended) }
                let dropped = drop(upTo: cut / Self.frame)
                index -= dropped
                begun = 0
                quiet = quiet.map { max(0, $0 - dropped) }
            } else if begun == nil {
                index -= drop(upTo: index - Int(settings.margin * rate) / Self.frame - 1)
            }
        }
        return found
    }

    /// Where the utterance that has begun starts.
    private func start() -> Int { max(0, (begun ?? 0) * Self.frame - Int(Self.settings.margin * Double(VoiceActivity.sampleRate))) }

    private func utterance(endingAt end: Int) -> SpokenUtterance? {
        let start = start(), end = min(end, samples.count, start + Whisper.window)
        let shortest = Self.settings.shortestUtterance * Double(VoiceActivity.sampleRate)
        guard let begun, Double((quiet.map { $0 * Self.frame } ?? end) - begun * Self.frame) >= shortest else { return nil }
        return SpokenUtterance(samples: Array(samples[start..<end]), begin: time(of: start), end: time(of: end))
    }

    private func time(of sample: Int) -> Int64 { first.clampedAdding(Int64(Double(sample) * Self.perSample)) }

    /// Forgets the first frames and gives their number.
    private mutating func drop(upTo frame: Int) -> Int {
        let count = max(0, min(frame, probabilities.count))
        first = time(of: count * Self.frame)
        samples.removeFirst(count * Self.frame)
        probabilities.removeFirst(count)
        return count
    }
}
