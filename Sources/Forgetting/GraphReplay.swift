import Configuration
import Extract
import Fuse
import Ingest
import Journal
import Learn
import Messaging
import Pipeline
import Schema
import Signals
import Statistics
import Updates
import Wiring

/// The stages of a graph in one process, in lockstep: what comes of readings is what comes of them in a graph of processes that replays
/// them, to the bit.
///
/// Each message is passed on at once, in order. Answers and explanations are left out: nothing is learned from them.
public struct GraphReplay {
    private var ingest: IngestProcessor
    private var extractors: [String: ExtractProcessor] = [:]
    private var fuse: FuseProcessor
    public private(set) var learner: LearnProcessor
    private let limits: Limits
    private var sequence: UInt64 = 0
    private var now = Instant(nanoseconds: 0)
    /// Moments that fuse has made.
    public private(set) var moments = 0
    /// Input that a stage did not take.
    public private(set) var refused = Drops()

    /// - Parameters:
    ///   - settings: of the run; `learn.directory` is where its checkpoint is read and written.
    ///   - closer: the publisher whose end is the end of the stream; empty: none.
    ///   - clock: measures durations.
    ///   - journal: what is taken is written to it; nil: to none.
    /// - Throws: the error of settings, or of a checkpoint, that cannot be used.
    public init(_ settings: GraphSettings, closer: String, clock: any TimeSource, journal: (any AppendableJournal)? = nil) throws {
        var settings = settings
        (settings.mode, settings.journal.directory) = (.lockstep, "")
        // Its updates are not published, so they are neither signed nor coded.
        settings.security = SecuritySettings()
        settings.learn.updates = UpdateSettings()
        limits = settings.messaging
        learner = try LearnProcessor(settings, clock: clock)
        var predicting = settings
        (predicting.answer.after, predicting.fuse.explain, predicting.fuse.attention) = ([], .none, false)
        fuse = try FuseProcessor(predicting, clock: clock)
        // Stamps are in the times of sessions, which no wall clock bounds.
        ingest = IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: .max / 2, closer: closer, journal: journal)
        for modality in settings.extracted {
            extractors[modality] = try ExtractProcessor(ExtractSettings(settings), modality: modality)
        }
        pass(learner.tick(at: now))
    }

    /// Takes a record of ingest's journal as its message was taken.
    public mutating func take(_ entry: JournalEntry, _ payload: [UInt8]) {
        now = Instant(nanoseconds: max(now.nanoseconds, entry.arrived))
        do throws(Refusal) {
            switch entry.input {
            case .reading(let reading)?:
                guard let topic = try? Topics.sensor(reading.modality, reading.stamp.source) else { return }
                try send(.init(message(Outgoing(reading, on: topic, payload: [Payload(payload)]))))
            case .cut(let cut)?: try send(.cut(cut))
            case .feedback(var feedback)?:
                // Ingest sets these anew.
                (feedback.journal, feedback.previous, feedback.afterBoundary, feedback.boundaryEpoch) = (0, 0, 0, 0)
                try send(.feedback(feedback))
            case .refused, .withheld, nil: break
            }
        } catch {
            refused.count(error.reason, because: error.detail)
        }
    }

    /// Writes what has been learned as a checkpoint, up to these places in the journals.
    /// - Throws: the error of writing.
    public mutating func store(position: UInt64?, journal: UInt64?) throws { try learner.store(position: position, journal: journal) }

    /// Writes the labels that fuse recalls.
    /// - Throws: `FileError`.
    public func storeLabels(at path: String) throws { try fuse.storeLabels(at: path) }

    private mutating func send(_ input: IngestProcessor.Input) throws(Refusal) {
        for output in try ingest.process(input, at: now) {
            switch output {
            case .sample:
                let names = Topics.sample.components(of: output.outgoing.topic) ?? []
                guard let modality = names.first, extractors[modality] != nil else { break }
                do throws(Refusal) {
                    let input = try ExtractProcessor.Input(message(output.outgoing))
                    let features = try extractors[modality]?.process(input, at: now) ?? []
                    for feature in features { hear(feature) }
                } catch {
                    refused.count(error.reason, because: error.detail)
                }
            case .feedback: hear(output.outgoing)
            case .explain, .acknowledgement: break
            }
        }
    }

    /// Passes a message to fuse, and what it publishes to the learner, until nothing more comes of it.
    private mutating func hear(_ outgoing: Outgoing) {
        var waiting = [(outgoing, isForFuse: true)], next = 0
        while next < waiting.count {
            let (one, isForFuse) = waiting[next]
            next += 1
            do throws(Refusal) {
                if isForFuse {
                    for output in try fuse.process(.init(message(one)), at: now) where output.message is MomentEvent {
                        if let event = output.message as? MomentEvent, case .moment? = event.event { moments += 1 }
                        waiting.append((output, false))
                    }
                } else {
                    waiting += try learner.process(.init(message(one)), at: now).filter(Self.isOfModels).map { ($0, true) }
                }
            } catch {
                refused.count(error.reason, because: error.detail)
            }
        }
    }

    private mutating func pass(_ outputs: [Outgoing]) { for output in outputs where Self.isOfModels(output) { hear(output) } }

    private static func isOfModels(_ output: Outgoing) -> Bool {
        output.message is ModelUpdate || output.message is SessionUpdate || output.message is MemoryUpdate || output.message is PolicyUpdate
    }

    /// A message as a stage receives it.
    private mutating func message(_ outgoing: Outgoing) throws(Refusal) -> WireMessage {
        sequence += 1
        var message = outgoing.message
        if message.stamp.source.isEmpty || !(message is SensorReading) {
            message.stamp = .with {
                ($0.schemaVersion, $0.source, $0.epoch, $0.sequence) = (schemaVersion, "replay", 1, sequence)
            }
        }
        let batch = MessageBatch(limits: limits)
        do {
            batch.append(topic: outgoing.topic, header: try message.serializedBytes(), payload: outgoing.payload)
        } catch {
            throw Refusal(.undecodable, "\(error)")
        }
        return batch[0]
    }
}
