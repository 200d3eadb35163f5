/// Who has sent a message to a socket that answers each sender. Another connection of the same sender is another peer.
public struct Peer: Hashable, Sendable {
    /// The name that ZeroMQ has given to the connection, or that the peer has chosen.
    let identity: [UInt8]
    /// Which of a subscriber's sockets it is connected to.
    let socket: Int

    public init(_ identity: [UInt8], socket: Int = 0) { (self.identity, self.socket) = (identity, socket) }
}
