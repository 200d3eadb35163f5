import Messaging
import Model
import Schema
import Statistics

/// An event of the stream that fuse publishes to learn and evaluate: a moment, a decision on it, feedback that cites either, or the end.
public enum MomentMessage: Sendable {
    case moment(Moment, MomentInput)
    case feedback(Feedback)
    /// A decision, and for a generated text the moment that it answers.
    case decision(DecisionRecord, MomentInput?)
    /// From a journal: a moment or feedback that may not be stored.
    case withheld(Withheld)
    case end

    /// - Parameters:
    ///   - message: with the payload frames.
    ///   - event: the message's header, decoded.
    /// - Throws: `undecodable`, `wrongShape`, `truncated`, `nonFinite`.
    package init(_ message: WireMessage, _ event: MomentEvent) throws(Refusal) {
        switch event.event {
        case .moment(let moment): self = .moment(moment, try Self.input(moment, message))
        case .feedback(let feedback): self = .feedback(feedback)
        case .decision(let record) where record.hasMoment:
            self = .decision(record, try Self.input(record.moment, message).without(Set(record.muted)))
        case .decision(let record): self = .decision(record, nil)
        case .withheld(let withheld): self = .withheld(withheld)
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
    /// The topic of a session's moments; nil where the session's name is invalid.
    package static func moments(of session: String) -> Topic<MomentEvent>? { try? moment(session) }

    /// The name used in place of a session for the end of the stream.
    package static let endOfMoments = "_end"
}
