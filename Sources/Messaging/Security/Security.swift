/// The keys with which a process takes part in a graph: all its TCP connections are encrypted, and both ends are known by their keys.
///
/// Endpoints within a host stay plain: their directory is the user's own.
public struct Security: Sendable {
    /// With which the process connects.
    let own: CurveKeyPair
    /// The public key of the endpoints that it connects to.
    let graph: String
    /// With which it binds; nil where it has no graph's key, and cannot bind TCP.
    let server: CurveKeyPair?
    let directory: KeyDirectory
    let rates: Rates

    /// The most that the owner of a key may send in a second, where its entry says nothing else.
    public struct Rates: Sendable, Equatable {
        public var messages: Double, bytes: Double

        public init(messages: Double, bytes: Double) { (self.messages, self.bytes) = (messages, bytes) }
    }

    /// - Parameters:
    ///   - name: whose key in the directory the process connects with; nil: the graph's own, as processes of the graph do.
    ///   - rates: of keys whose entry has none.
    /// - Throws: `MessagingError` where a file cannot be read, is open to others, or is no key.
    public init(_ directory: KeyDirectory, name: String? = nil, rates: Rates) throws(MessagingError) {
        let key = try directory.key(of: name ?? KeyDirectory.graphName)
        (own, graph) = (key.pair, key.graph)
        server = name == nil ? key.pair : nil
        if server != nil { _ = try directory.allowed() }
        (self.directory, self.rates) = (directory, rates)
    }
}
