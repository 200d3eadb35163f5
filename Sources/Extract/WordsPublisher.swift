import Glibc
import Messaging
import Pipeline
import Schema
import Senses
import Signals
import Statistics
import Wiring

extension SpokenWords {
    /// Reads the networks and connects to ingest.
    /// - Parameters:
    ///   - environment: decides the runtime directory.
    ///   - bus: ZeroMQ where none is given.
    ///   - epoch: greater after each restart.
    /// - Throws: `SettingsError` where a network's file is absent, `MessagingError` where ingest's endpoint is invalid.
    public convenience init(
        _ settings: ExtractSettings, environment: [String: String], bus: (any Bus)? = nil,
        epoch: UInt64 = UInt64(clamping: WallClock().now.nanoseconds)
    ) throws {
        let audio = settings.signals.audio, transcriber: Transcriber
        do {
            transcriber = try Transcriber(directory: audio.modelDirectory, threads: audio.wordsThreads)
            // Before anybody speaks: reads the weights and computes what silence is to the encoder.
            _ = try transcriber.text(of: [Float](repeating: 0, count: Whisper.sampleRate / 2), fill: Transcriber.liveFill)
        } catch {
            throw SettingsError("signals.audio.words", "\(error)")
        }
        let publisher = try WordsPublisher(settings, environment, bus ?? settings.openBus(), epoch: epoch)
        self.init(
            capacity: audio.wordsWaiting, endsMoments: audio.wordsEndMoments,
            transcribe: { try transcriber.text(of: $0, fill: Transcriber.liveFill) }, publish: { try publisher.publish($0, $1) })
    }
}

/// Publishes words to ingest. Words come seldom, so who publishes them waits until ingest is known to have subscribed.
///
/// Sendable because only the queue of `SpokenWords` calls it.
final class WordsPublisher: @unchecked Sendable {
    private let publisher: any Publisher
    private let epoch: UInt64
    /// Sequences of the sources; one that is forgotten goes on where the greatest was.
    private var sequences = RecentTable<String, UInt64>(capacity: ExtractProcessor.mostVoices)
    private var newest: UInt64 = 0
    /// The longest wait for ingest, and between two looks for it, in microseconds.
    private static let patience = 2_000_000, interval = 2_000

    init(_ settings: ExtractSettings, _ environment: [String: String], _ bus: any Bus, epoch: UInt64) throws {
        var options = PublisherOptions()
        options.limits = settings.messaging
        publisher = try bus.publisher(.connect, try settings.sensors(environment), options: options)
        self.epoch = epoch
    }

    func publish(_ reading: SensorReading, _ text: String) throws {
        var reading = reading
        let source = reading.stamp.source, sequence = (sequences[source] ?? newest) + 1
        _ = sequences.set(sequence, for: source)
        newest = max(newest, sequence)
        reading.stamp.schemaVersion = schemaVersion
        (reading.stamp.epoch, reading.stamp.sequence) = (epoch, sequence)
        let topic = try Topics.sensor(TextModality.name, source)
        try waitForIngest(topic.name)
        let sent = try publisher.publish(topic.name, header: reading.serializedBytes(), payload: [Payload(Array(text.utf8))])
        if !sent { throw MessagingError("publish words", "ingest is slow") }
    }

    func close() { publisher.close() }

    /// Subscriptions are received one after the other, each after the one before it was processed; what is sent before the right one is lost.
    private func waitForIngest(_ topic: String) throws {
        for _ in 0..<Self.patience / Self.interval {
            try publisher.service()
            if publisher.subscriberCount(of: topic) > 0 { return }
            usleep(UInt32(Self.interval))
        }
        throw MessagingError("publish words", "ingest has not subscribed")
    }
}
