import Glibc

/// A place to meet: `tcp://host:port` (port `*` for any free one when binding) or `ipc:///path/of/a/socket`.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// Throws where the text names no place that both ZeroMQ and this system can meet at.
    public init(_ text: String) throws(MessagingError) {
        func refuse(_ reason: String) -> MessagingError { MessagingError("use “\(text)” as an endpoint", reason) }
        if text.hasPrefix("ipc://") {
            let path = text.dropFirst("ipc://".count)
            guard path.hasPrefix("/"), path.count > 1 else { throw refuse("an ipc endpoint is ipc:// and an absolute path") }
            guard path.utf8.count <= Self.maximumPathLength else {
                throw refuse("the path has \(path.utf8.count) bytes, and a socket's may have \(Self.maximumPathLength)")
            }
        } else if text.hasPrefix("tcp://") {
            guard let colon = text.lastIndex(of: ":"), colon > text.index(text.startIndex, offsetBy: 6) else {
                throw refuse("a tcp endpoint is tcp://host:port")
            }
            let port = text[text.index(after: colon)...]
            guard port == "*" || (1...65_535).contains(Int(port) ?? 0) else {
                throw refuse("“\(port)” is no port: 1 to 65535 are")
            }
        } else {
            throw refuse("it starts with neither tcp:// nor ipc://")
        }
        description = text
    }

    /// What `sockaddr_un` has room for, without its final zero.
    static let maximumPathLength = 107

    /// The file of an ipc endpoint.
    var path: String? {
        description.hasPrefix("ipc://") ? String(description.dropFirst("ipc://".count)) : nil
    }
}
