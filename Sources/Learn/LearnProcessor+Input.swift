import Messaging
import Moments
import Pipeline
import Schema

extension LearnProcessor {
    /// An event of the stream, an operator's order, or a subscriber's question.
    public enum Input: Inbound, Sendable {
        case event(MomentMessage, Stamp)
        /// An event that is in fuse's journal too.
        case journaled(MomentMessage, Stamp, position: UInt64)
        case order(Order)
        /// A subscriber asks or reports.
        case request(UpdateRequest, from: String, Peer)

        public init(_ message: WireMessage) throws(Refusal) {
            if let peer = message.peer {
                guard let names = Topics.updateRequest.components(of: message.topic) else {
                    throw Refusal(.unknownTopic, String(message.topic.prefix(128)))
                }
                self = .request(try message.decode(), from: names[0], peer)
            } else if Topics.order.components(of: message.topic) != nil {
                self = .order(try message.decode())
            } else {
                let event: MomentEvent = try message.decode()
                let content = try MomentMessage(message, event)
                self = event.position > 0 ? .journaled(content, event.stamp, position: event.position) : .event(content, event.stamp)
            }
        }

        public var stamp: Stamp {
            switch self {
            case .event(_, let stamp), .journaled(_, let stamp, _): stamp
            case .order(let order): order.stamp
            case .request(let request, _, _): request.stamp
            }
        }
    }
}
