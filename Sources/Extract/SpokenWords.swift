import Dispatch
import Messaging
import Pipeline
import Schema
import Senses
import Signals
import Statistics
import Synchronization

/// Transcribes utterances on a queue of its own, so that features do not wait for words, and publishes each text as a reading.
///
/// Utterances wait in order; where too many do, the oldest is dropped and counted. A text is published as any publisher's is: to ingest, as
/// `sensor.text.<source>-words/`, with the time at which its utterance ended.
public final class SpokenWords: Sendable {
    /// An utterance, and whose it is.
    public struct Utterance: Sendable {
        public var sound: SpokenUtterance
        /// The session and the source of the sound.
        public var session: String, source: String
        /// When its last sound arrived at ingest, on the host's monotonic clock, in nanoseconds.
        public var arrived: Int64
        /// The strictest class of its sounds.
        public var consent = Consent.unspecified

        public init(_ sound: SpokenUtterance, session: String, source: String, arrived: Int64) {
            (self.sound, self.session, self.source, self.arrived) = (sound, session, source, arrived)
        }
    }

    private struct State {
        var waiting: [Utterance] = []
        var telemetry = Telemetry()
        var published = 0
        /// The utterance that was expected last, and its text once it is known.
        var expected: Utterance?, expectedText: String?
        var foreseen = 0
    }

    /// The most utterances that wait.
    private let capacity: Int
    private let endsMoments: Bool
    private let clock: any TimeSource
    private let queue = DispatchQueue(label: "accrete.words")
    private let state = Mutex(State())
    private let transcribe: @Sendable ([Float]) throws -> String
    private let publish: @Sendable (SensorReading, String) throws -> Void

    /// - Parameters:
    ///   - capacity: the most utterances that wait for the one that is being transcribed.
    ///   - endsMoments: whether a moment ends with an utterance.
    ///   - clock: what `arrived` was measured with, for the latency.
    ///   - transcribe: the words of at most 30 s at 16 kHz.
    ///   - publish: sends a reading and its text; the stamp has no epoch and sequence yet.
    public init(
        capacity: Int, endsMoments: Bool, clock: any TimeSource = MonotonicClock(),
        transcribe: @escaping @Sendable ([Float]) throws -> String, publish: @escaping @Sendable (SensorReading, String) throws -> Void
    ) {
        self.capacity = max(1, capacity)
        self.endsMoments = endsMoments
        self.clock = clock
        self.transcribe = transcribe
        self.publish = publish
    }

    /// What it has dropped, how many utterances wait, and the seconds from the last sound of an utterance to its words.
    public var telemetry: Telemetry {
        state.withLock { state in
            var telemetry = state.telemetry
            telemetry.gauges = [
                "wordsWaiting": Double(state.waiting.count), "wordsPublished": Double(state.published),
                "wordsForeseen": Double(state.foreseen),
            ]
            return telemetry
        }
    }

    /// Transcribes an utterance that has not ended for certain, if nothing else waits, so that its words are known when it ends. Does not wait.
    public func expect(_ utterance: Utterance) {
        let isIdle = state.withLock { state in
            guard state.waiting.isEmpty, state.expected == nil || state.expectedText != nil else { return false }
            (state.expected, state.expectedText) = (utterance, nil)
            return true
        }
        guard isIdle else { return }
        queue.async { [self] in
            let text = try? transcribe(utterance.sound.samples)  // an error comes again when it has ended
            state.withLock { state in
                state.expectedText = text
                if text == nil { state.expected = nil }
            }
        }
    }

    /// Puts an utterance behind those that wait. Does not wait.
    public func hear(_ utterance: Utterance) {
        state.withLock { state in
            if state.waiting.count == capacity {
                state.waiting.removeFirst()
                state.telemetry.drops.count(.overflow, because: "an utterance: transcribing is slower than speech")
            }
            state.waiting.append(utterance)
        }
        queue.async { [self] in work() }
    }

    /// Waits until all transcripts are published.
    package func drain() { queue.sync {} }

    private func work() {
        let next = state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
        guard let next else { return }  // it was dropped
        do {
            let text = try takeForeseen(next) ?? transcribe(next.sound.samples)
            guard !text.isEmpty else { return }
            try publish(reading(of: next), text)
            let seconds = Double(secondsIn: clock.now.nanoseconds.clampedSubtracting(next.arrived))
            state.withLock { state in
                state.published += 1
                state.telemetry.latencies["words", default: QuantileSketch()].add(max(0, seconds))
            }
        } catch {
            state.withLock { $0.telemetry.drops.count(.unsent, because: "the words of an utterance: \(error)") }
        }
    }

    /// The words of an utterance that was expected as it came; nil where it was not.
    private func takeForeseen(_ utterance: Utterance) -> String? {
        state.withLock { state in
            guard let expected = state.expected, let text = state.expectedText else { return nil }
            guard expected.session == utterance.session, expected.source == utterance.source, expected.sound == utterance.sound else {
                return nil
            }
            (state.expected, state.expectedText) = (nil, nil)
            state.foreseen += 1
            return text
        }
    }

    /// Its time is the session's already, so it names no clock that would be converted to the session's again.
    private func reading(of utterance: Utterance) -> SensorReading {
        .with {
            $0.stamp.source = Self.source(of: utterance.source)
            $0.stamp.time = utterance.sound.end
            $0.session = utterance.session
            $0.modality = TextModality.name
            $0.format = "text/utf-8"
            $0.ends = endsMoments ? .utteranceEnd : .none
            $0.consent = utterance.consent
        }
    }

    /// The source of a source's words; a name that is too long is cut.
    package static func source(of name: String) -> String { "\(name.prefix(TopicComponent.maximumLength - suffix.utf8.count))\(suffix)" }
    private static let suffix = "-words"
}
