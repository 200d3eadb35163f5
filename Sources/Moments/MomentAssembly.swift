import Configuration
import Model
import Schema
import Statistics
import Timing
import Tokenization
import Wiring

/// Assembles aligned frames into a moment message and its payload.
public struct MomentAssembly {
    /// The greatest shape of a sense's payload; larger ones are cut to their newest rows.
    struct Extent: Sendable {
        var rows: Int
        var columns: Int
    }

    private let extents: [(modality: String, extent: Extent)]
    /// Computes the sense `sentence` from the text.
    private let reader: BERT?
    /// Decodes the text's tokens.
    private let words: TextBytes
    /// The class of a moment whose parts name none.
    private let consent: ConsentClass

    /// - Throws: the error of opening the pretrained encoder or the tokenizer, where one is configured.
    public init(_ settings: GraphSettings) throws {
        let model = settings.model
        consent = settings.privacy.consent
        reader = settings.fuse.sentence.isEmpty ? nil : try BERT(directory: settings.fuse.sentence, length: model.text.length)
        words = try TextBytes(tokenizer: reader == nil ? "" : settings.signals.text.tokenizer)
        if let reader, let sense = model.senses.first(where: { $0.name == ModelSenses.sentence }),
            sense.columns != reader.configuration.width
        {
            throw SettingsError(
                "senses.sentence.columns",
                "\(sense.columns) columns for the \(reader.configuration.width) features of \(settings.fuse.sentence)")
        }
        extents =
            model.senses.map { ($0.name, Extent(rows: $0.rows, columns: $0.columns)) }
            + [(MultimodalConfiguration.textName, Extent(rows: model.text.length, columns: 1))]
    }

    /// The moment of a slice of a session's stream, and its payload frames: one (rows · columns) for each present sense, in order.
    public func moment(_ slice: MomentAligner.Slice, ordinal: UInt64) -> (moment: Moment, payload: [[Float]]) {
        var payload: [[Float]] = []
        let boundary = slice.boundary
        let moment = Moment.with { moment in
            moment.id = "\(boundary.session)/\(boundary.end)"
            moment.session = boundary.session
            moment.ordinal = ordinal
            moment.start = slice.start
            moment.end = boundary.end
            moment.kind = boundary.kind
            moment.domain = boundary.domain
            moment.arrived = boundary.arrived
            moment.journal = boundary.journal
            if boundary.hasAnswer { moment.answer = boundary.answer }
            let parts = slice.frames.values.joined().map(\.frame.consent) + [boundary.consent]
            moment.consent = ConsentClass(.strictest(parts))?.message ?? consent.message
            for (modality, extent) in extents {
                if let reader, modality == ModelSenses.sentence {
                    moment.senses.append(
                        read(slice.frames[MultimodalConfiguration.textName] ?? [], reader, end: boundary.end, into: &payload))
                    continue
                }
                let frames = (slice.frames[modality] ?? []).filter { Int($0.frame.columns) == extent.columns }
                moment.senses.append(sense(modality, frames, extent, end: boundary.end, into: &payload))
            }
        }
        return (moment, payload)
    }

    /// The sense that a pretrained encoder computes from the text's bytes.
    private func read(_ frames: [MomentAligner.Arrival], _ reader: BERT, end: Int64, into payload: inout [[Float]]) -> Sense {
        guard let newest = frames.last?.frame else {
            return .with {
                $0.modality = ModelSenses.sentence; $0.age = -1
            }
        }
        let bytes = words.bytes(of: frames.flatMap(\.values).map { Int(clamping: Double($0)) })
        payload.append(reader.features(of: String(decoding: bytes, as: UTF8.self)))
        return .with {
            $0.modality = ModelSenses.sentence
            $0.present = true
            $0.rows = 1
            $0.columns = UInt32(reader.configuration.width)
            $0.age = end.clampedSubtracting(newest.time)
            $0.validity = 1
            $0.frontend = 1
            $0.frames = UInt32(frames.count)
        }
    }

    private func sense(_ modality: String, _ frames: [MomentAligner.Arrival], _ extent: Extent, end: Int64, into payload: inout [[Float]])
        -> Sense
    {
        guard let newest = frames.last?.frame else {
            return .with {
                $0.modality = modality; $0.age = -1
            }
        }
        // One frame that fits is passed on without a copy.
        let joined = frames.count == 1 ? frames[0].values : frames.flatMap(\.values)
        let most = extent.rows.clampedMultiplying(by: extent.columns)
        let values = joined.count > most ? Array(joined.suffix(most)) : joined
        payload.append(values)
        return .with {
            $0.modality = modality
            $0.present = true
            $0.rows = UInt32(values.count / extent.columns)
            $0.columns = UInt32(extent.columns)
            $0.age = end.clampedSubtracting(newest.time)
            $0.validity = frames.map(\.frame.validity).max() ?? 0
            $0.frontend = newest.frontend
            $0.frames = UInt32(frames.count)
        }
    }
}

extension MultimodalConfiguration {
    /// Whether the moment fits a model of this configuration: shapes, token ids and label.
    package func accepts(_ moment: MomentInput) -> Bool {
        do {
            try check(moment)
            return true
        } catch {
            return false
        }
    }
}

extension MomentInput {
    /// The model's input for a received moment.
    /// - Parameters:
    ///   - moment: the message.
    ///   - payload: one list of numbers, row by row, for each present sense, in order.
    /// - Returns: nil where the payload does not fit the moment's shapes.
    public init?(_ moment: Moment, payload: [FiniteValues]) {
        self.init()
        var remaining = payload[...]
        for sense in moment.senses where sense.present {
            guard let values = remaining.popFirst(), values.numbers.count == Int(sense.rows).clampedMultiplying(by: Int(sense.columns)),
                sense.validity.isFinite
            else { return nil }
            if sense.modality == MultimodalConfiguration.textName {
                guard values.numbers.allSatisfy({ $0 >= 0 && $0 < 16_777_216 && $0 == $0.rounded() }) else { return nil }
                text = values.numbers.map { Int($0) }
            } else {
                senses[sense.modality] = SenseInput(
                    rows: Int(sense.rows), columns: Int(sense.columns), values: values,
                    age: Float(secondsIn: sense.age), validity: min(max(sense.validity, 0), 1))
            }
        }
        guard remaining.isEmpty else { return nil }
    }

    /// The same for numbers that have not been checked; nil also where one is not finite.
    public init?(_ moment: Moment, payload: [[Float]]) {
        let checked = payload.compactMap { FiniteValues($0) }
        guard checked.count == payload.count else { return nil }
        self.init(moment, payload: checked)
    }

    /// The payload of the moment that this input was made from: one list of numbers for each present sense, in order.
    package func payload(of moment: Moment) -> [[Float]] {
        moment.senses.filter(\.present).map {
            $0.modality == MultimodalConfiguration.textName ? text.map { Float($0) } : senses[$0.modality]?.values ?? []
        }
    }
}
