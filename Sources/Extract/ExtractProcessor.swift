import Messaging
import Pipeline
import Schema
import Senses
import Signals
import Statistics
import Wiring

/// Runs one modality's frontend: turns samples into feature frames, and passes boundaries on in order.
///
/// Subscribes to `sample.<modality>/`; publishes `feature.<modality>/`. The extractor of sounds also finds utterances, where they are to be
/// transcribed.
public struct ExtractProcessor: Processor {
    /// A sample with its payload.
    public struct Input: Inbound, Sendable {
        public var sample: Sample
        public var message: WireMessage

        public init(_ message: WireMessage) throws(Refusal) {
            sample = try message.decode()
            self.message = message
        }

        public var stamp: Stamp { sample.stamp }
    }

    /// The names of the modalities that can be extracted.
    public static var modalities: String { Signals.modalities.names }

    private let modality: String
    private let frontend: any Modality
    private let topic: Topic<FeatureFrame>
    /// Live mode: a reading that has waited longer is dropped; nil in lockstep.
    private let patience: Duration?
    private var utterances: Utterances?
    private var drops = Drops()

    /// The most sources whose utterances are found; the one longest silent is forgotten.
    public static let mostVoices = 16

    /// - Parameter words: where the utterances of sounds go; nil: nowhere.
    /// - Throws: `SettingsError` where the modality is unknown or its settings are invalid.
    public init(_ settings: ExtractSettings, modality: String, words: SpokenWords? = nil) throws {
        self.modality = modality
        patience = settings.mode == .live ? .seconds(clamping: settings.fuse.maximumLatency) : nil
        topic = try Topics.feature(modality)
        frontend = try Signals.frontend(for: modality, settings.signals)
        if let words { utterances = try Utterances(settings.signals.audio, words) }
    }

    public var telemetry: Telemetry {
        var telemetry = utterances?.telemetry ?? Telemetry()
        telemetry.drops.add(drops)
        return telemetry
    }

    public mutating func tick(at now: Instant) -> [Outgoing] {
        utterances?.end(at: now)
        return []
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        do throws(Refusal) {
            return [try feature(of: input, at: now)]
        } catch {
            // Where it comes from a journal, fuse gets the reason, so that it does not ask for the reading again.
            guard input.sample.hasPlace else { throw error }
            drops.count(error.reason, because: error.detail)
            return [Outgoing(feature(of: input) { $0.givenUp = error.reason.rawValue }, on: topic)]
        }
    }

    private mutating func feature(of input: Input, at now: Instant) throws(Refusal) -> Outgoing {
        switch input.sample.content {
        case .boundary(let boundary): return Outgoing(feature(of: input) { $0.boundary = boundary }, on: topic)
        case .reading(let reading):
            let sample = input.sample
            guard sample.givenUp.isEmpty else {
                throw Refusal(Reason(rawValue: sample.givenUp), "nothing came of it for long, or it may not be stored")
            }
            if let patience, now - Instant(nanoseconds: sample.arrived) > patience {
                throw Refusal(.shed, "a reading that arrived too long ago")
            }
            let raw = try raw(reading, input.message), features = try features(of: raw)
            utterances?.take(raw, of: sample)
            var frame = frame(of: reading, features)
            frame.timeline = sample.timeline
            return Outgoing(feature(of: input) { $0.frame = frame }, on: topic, payload: [Payload(features.values)])
        case nil:
            throw Refusal(.undecodable, "a sample without content")
        }
    }

    /// A message with the arrival and the place of a sample.
    private func feature(of input: Input, _ content: (inout FeatureFrame) -> Void) -> FeatureFrame {
        .with {
            $0.arrived = input.sample.arrived
            if input.sample.hasPlace { $0.place = input.sample.place }
            content(&$0)
        }
    }

    private func raw(_ reading: SensorReading, _ message: WireMessage) throws(Refusal) -> RawReading {
        guard reading.modality == modality, message.payload.count == 1 else {
            throw Refusal(.wrongShape, "\(reading.modality) with \(message.payload.count) payload frames")
        }
        return RawReading(
            modality: reading.modality, format: reading.format, width: Int(reading.width), height: Int(reading.height),
            channels: Int(reading.channels), sampleRate: Int(reading.sampleRate), payload: Array(message.payload[0]))
    }

    private func features(of raw: RawReading) throws(Refusal) -> Features {
        do {
            return try frontend.features(of: raw)
        } catch {
            throw Refusal(Reason(rawValue: error.reason.rawValue), error.detail)
        }
    }

    private func frame(of reading: SensorReading, _ features: Features) -> Frame {
        .with {
            $0.session = reading.session
            $0.source = reading.stamp.source
            $0.sequence = reading.stamp.sequence
            $0.modality = modality
            $0.time = reading.stamp.time
            $0.duration = features.duration
            $0.rows = UInt32(clamping: features.rows)
            $0.columns = UInt32(clamping: features.columns)
            $0.validity = features.validity
            $0.frontend = features.version
            $0.consent = reading.consent
        }
    }
}
