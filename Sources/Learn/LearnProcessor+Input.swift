import Messaging
import Moments
import Pipeline
import Schema

extension LearnProcessor {
    /// An event of the stream, or an operator's order.
    public enum Input: Inbound, Sendable {
        case event(MomentMessage, Stamp)
        /// An event that is in fuse's journal too.
        case journaled(MomentMessage, Stamp, position: UInt64)
        case order(Order)

        public init(_ message: WireMessage) throws(Refusal) {
            if Topics.order.components(of: message.topic) != nil {
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
            }
        }
    }
}
