import Messaging
import Model
import Schema
import Statistics

/// What fuse tells of a stream, as learn and evaluate take it in: moments, what was decided for them, feedback that cites either, and the end.
public enum MomentMessage: Sendable {
    case moment(Moment, MomentInput)
    case feedback(Feedback)
    /// And of a text what it answers.
    case decision(DecisionRecord, MomentInput?)
    case end

    /// - Throws: `undecodable`, `wrongShape`, `truncated`, `nonFinite`.
    package init(_ message: WireMessage, _ event: MomentEvent) throws(Refusal) {
        switch event.event {
        case .moment(let moment): self = .moment(moment, try Self.input(moment, message))
        case .feedback(let feedback): self = .feedback(feedback)
        case .decision(let record) where record.hasMoment:
            self = .decision(record, try Self.input(record.moment, message).without(Set(record.muted)))
        case .decision(let record): self = .decision(record, nil)
        case .end: self = .end
        case nil: throw Refusal(.undecodable, "an event without content")
        }
    }

    private static func input(_ moment: Moment, _ message: WireMessage) throws(Refusal) -> MomentInput {
        var payload: [FiniteValues] = []
        for part in message.payload { payload.append(try FiniteValues(part)) }
        guard let input = MomentInput(moment, payload: payload) else {
            throw Refusal(.wrongShape, "moment \(moment.ordinal) and its \(payload.count) payload frames do not fit")
        }
        return input
    }
}

extension MomentInput {
    /// The moment without these modalities.
    package func without(_ modalities: Set<String>) -> MomentInput {
        var moment = self
        for modality in modalities { moment.senses[modality] = nil }
        if modalities.contains(MultimodalConfiguration.textName) { moment.text = [] }
        return moment
    }
}

extension Topics {
    /// The topic of a session's moments; the end of all of them has one of its own.
    package static func moments(of session: String) -> Topic<MomentEvent>? { try? moment(session) }  // nil says all there is to say

    package static let endOfMoments = "_end"
}
