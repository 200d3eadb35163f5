import Model
import Schema
import Signals

/// The moments of a recorded session, one after another, without a graph: what a replay in lockstep makes of it.
public struct RecordedMoments: Sequence, IteratorProtocol {
    private var events: any IteratorProtocol<Result<SessionEvent, SessionRefusal>>
    private let directory: SessionDirectory?
    private let frontends: [String: any Modality]
    private let modalities: [String]
    private var cutter: MomentCutter
    private var aligner: MomentAligner
    private let assembly: MomentAssembly
    private var ordinal: UInt64 = 0
    private var isOver = false

    /// - Parameter directory: where the files are that readings name.
    /// - Throws: the first setting of a frontend that makes no sense, or what is wrong with a pretrained encoder.
    public init(_ events: some Sequence<Result<SessionEvent, SessionRefusal>>, directory: SessionDirectory?, _ settings: Settings) throws {
        self.events = events.makeIterator()
        self.directory = directory
        modalities = settings.extracted
        var frontends: [String: any Modality] = [:]
        for (name, _) in Signals.modalities where modalities.contains(name) { frontends[name] = try frontend(for: name, settings.signals) }
        self.frontends = frontends
        cutter = MomentCutter(settings.cut, epoch: 1)
        aligner = MomentAligner(settings.alignment(inLockstep: true), modalities: modalities, waitsForAll: true)
        assembly = try MomentAssembly(settings)
    }

    /// The next moment that the model can be given.
    public mutating func next() -> (moment: Moment, input: MomentInput)? {
        while true {
            if let slice = aligner.close(at: 0, feedback: 0) {
                ordinal += 1
                let (moment, payload) = assembly.moment(slice, ordinal: ordinal)
                if let input = MomentInput(moment, payload: payload) { return (moment, input) }
            } else if isOver {
                return nil
            } else if let event = events.next() {
                if case .success(let event) = event { take(event) }  // a line that cannot be read costs itself only
            } else {
                isOver = true
                for boundary in cutter.finish(at: 0) { mark(boundary) }
            }
        }
    }

    private mutating func take(_ event: SessionEvent) {
        switch event {
        case .reading(let reading):
            guard let raw = raw(reading), let frontend = frontends[raw.modality] else { return }
            guard case .success(let before) = cutter.reading(session: reading.session, at: reading.time, domain: reading.domain ?? "", arrived: 0) else { return }
            if let before { mark(before) }
            if let features = try? frontend.features(of: raw) {  // what the graph would refuse is not there
                _ = aligner.insert(.init(frame: frame(of: reading, features), values: features.values), at: 0)
            }
            if reading.endsMoment { cut(reading.session, at: reading.time) }
        case .cut(let cut): self.cut(cut.session, at: cut.time)
        case .label(let label): cut(label.session, at: label.time)
        }
    }

    /// A label stands at the end of its moment, which may be cut there already.
    private mutating func cut(_ session: String, at time: Int64) {
        if case .success(let boundary) = cutter.cut(session: session, at: time, kind: .explicit, domain: "", arrived: 0) { mark(boundary) }
    }

    private mutating func mark(_ boundary: Boundary) {
        for modality in modalities { _ = aligner.insert(boundary, from: modality, at: 0) }
    }

    private func raw(_ reading: SessionEvent.Reading) -> RawReading? {
        if case .payload(let raw) = reading.content { return raw }
        return try? directory?.load(reading)  // a file that is not there is no reading
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
