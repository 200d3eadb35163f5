import Messaging
import Moments
import Pipeline
import Schema

extension LearnProcessor {
    /// An event of the stream, or an operator's order.
    public enum Input: Inbound, Sendable {
        case event(MomentMessage, Stamp)
        case order(Order)

        public init(_ message: WireMessage) throws(Refusal) {
            if Topics.order.components(of: message.topic) != nil {
                self = .order(try message.decode())
            } else {
                let event: MomentEvent = try message.decode()
                self = .event(try MomentMessage(message, event), event.stamp)
            }
        }

        public var stamp: Stamp {
            switch self {
            case .event(_, let stamp): stamp
            case .order(let order): order.stamp
            }
        }
    }
}
