import Configuration
import Model
import Moments
import Schema
import Signals
import Timing

/// The moments of a recorded session, one after another, without a process graph: the same as those of a replay in lockstep.
public struct RecordedMoments: Sequence, IteratorProtocol {
    private var events: any IteratorProtocol<Result<SessionEvent, SessionRefusal>>
    private var script: SessionScript
    private let frontends: [String: any Modality]
    private let modalities: [String]
    private var cutter: MomentCutter
    private var aligner: MomentAligner
    private let assembly: MomentAssembly
    private var ordinal: UInt64 = 0
    private var epoch: UInt64 = 1
    private var steps: Int64 = 0
    private var isOver = false
    /// The source name that the player of a recording uses.
    private static let source = "replay"

    /// - Parameters:
    ///   - events: of the recording, in order.
    ///   - directory: holds the files that readings name.
    /// - Throws: the first invalid setting of a frontend, or the error of opening a pretrained encoder.
    public init(_ events: some Sequence<Result<SessionEvent, SessionRefusal>>, directory: SessionDirectory?, _ settings: GraphSettings)
        throws
    {
        self.events = events.makeIterator()
        script = SessionScript(directory: directory, maximumBytes: settings.messaging.frameBytes)
        modalities = settings.extracted
        var frontends: [String: any Modality] = [:]
        for (name, _) in Signals.modalities where modalities.contains(name) { frontends[name] = try frontend(for: name, settings.signals) }
        self.frontends = frontends
        cutter = MomentCutter(settings.cut, epoch: 1)
        aligner = MomentAligner(
            settings.alignment(inLockstep: true), modalities: modalities, policies: settings.alignmentPolicies, waitsForAll: true)
        assembly = try MomentAssembly(settings)
    }

    /// The next moment that is valid for the model.
    public mutating func next() -> (moment: Moment, input: MomentInput)? {
        while true {
            if let slice = aligner.close(at: steps, feedback: 0) {
                ordinal += 1
                let (moment, payload) = assembly.moment(slice, ordinal: ordinal)
                if let input = MomentInput(moment, payload: payload) { return (moment, input) }
            } else if isOver {
                return nil
            } else if let event = events.next() {
                if case .success(let event) = event { take(event) }  // a line that cannot be read is skipped
            } else {
                isOver = true
                publish(script.finish())
                for boundary in cutter.finish() { mark(boundary) }
            }
        }
    }

    private mutating func take(_ event: SessionEvent) {
        if script.beginsAnew(with: event) {
            publish(script.finish())
            epoch += 1
        }
        publish(script.take(event))
    }

    private mutating func publish(_ publications: [SessionScript.Publication]) {
        for publication in publications {
            // Events that ingest would refuse are skipped.
            guard let event = publication.event(from: Self.source, epoch: epoch), let outcome = try? cutter.take(event) else { continue }
            for boundary in outcome.before { mark(boundary) }
            if case .reading(let reading, let raw, _) = publication { insert(reading, raw, at: outcome) }
            if let boundary = outcome.boundary { mark(boundary) }
        }
    }

    private mutating func insert(_ reading: SessionEvent.Reading, _ raw: RawReading, at place: MomentCutter.Outcome) {
        steps += 1
        // what the graph would refuse
        guard let frontend = frontends[raw.modality], let features = try? frontend.features(of: raw) else { return }
        var frame = frame(of: reading, features)
        frame.sequence = UInt64(steps)
        (frame.timeline, frame.time) = (place.timeline, place.time)
        _ = aligner.insert(.init(frame: frame, values: features.values), at: steps)
    }

    private mutating func mark(_ boundary: Boundary) {
        steps += 1
        for modality in modalities { _ = aligner.insert(boundary, from: modality, at: steps) }
    }

    private func frame(of reading: SessionEvent.Reading, _ features: Features) -> Frame {
        .with {
            $0.session = reading.session
            $0.source = reading.source
            $0.modality = reading.modality
            $0.time = reading.time
            $0.duration = features.duration
            $0.rows = UInt32(features.rows)
            $0.columns = UInt32(features.columns)
            $0.validity = features.validity
            $0.frontend = features.version
        }
    }
}
