import Messaging
import Model
import Schema

/// What fuse tells of a stream, as learn and evaluate take it in: moments, what was decided for them, feedback that cites either, and the end.
public enum MomentMessage: Sendable {
    case moment(Moment, MomentInput)
    case feedback(Feedback)
    case decision(DecisionRecord)
    case end

    /// - Throws: `undecodable`, `wrongShape`, `truncated`, `nonFinite`.
    init(_ message: WireMessage, _ event: MomentEvent) throws(Refusal) {
        switch event.event {
        case .moment(let moment):
            var payload: [[Float]] = []
            for part in message.payload { payload.append(try Array(part)) }
            guard let input = MomentInput(moment, payload: payload) else {
                throw Refusal(.wrongShape, "moment \(moment.ordinal) and its \(payload.count) payload frames do not fit")
            }
            self = .moment(moment, input)
        case .feedback(let feedback): self = .feedback(feedback)
        case .decision(let record): self = .decision(record)
        case .end: self = .end
        case nil: throw Refusal(.undecodable, "an event without content")
        }
    }
}

extension Topics {
    /// The topic of a session's moments; the end of all of them has one of its own.
    static func moments(of session: String) -> Topic<MomentEvent>? { try? moment(session) }  // nil says all there is to say

    static let endOfMoments = "_end"
}
