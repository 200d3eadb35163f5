/// What the owner of a key may do in a graph. A key has one role or more.
public enum Role: String, Sendable, CaseIterable, Codable {
    /// Sends readings, ends of moments and feedback to ingest, under the sources of its key.
    case publisher
    /// Receives what stages publish.
    case subscriber
    /// Sends orders to the learner, and receives what stages publish.
    case `operator`
    /// A process of the graph: receives what stages publish, and sends to ingest under any source.
    case stage
}

/// What peers that connect to a bound endpoint want there. It is the endpoint's domain in the authentication protocol.
public enum Access: String, Sendable, CaseIterable {
    /// They send readings and feedback.
    case publish
    /// They receive.
    case subscribe
    /// They send orders.
    case order

    /// The roles of which a key needs one.
    var roles: Set<Role> {
        switch self {
        case .publish: [.publisher, .stage]
        case .subscribe: [.subscriber, .operator, .stage]
        case .order: [.operator]
        }
    }
}
