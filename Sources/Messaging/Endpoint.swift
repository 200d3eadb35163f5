import Glibc

/// The address at which sockets bind or connect: `tcp://host:port` or `ipc:///path/of/a/socket`.
///
/// When binding, host `*` means every address and port `*` any free one. A host is a name, an IPv4 address, or an IPv6 address
/// in brackets.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The endpoint as text.
    public let description: String
    /// Host and port of a tcp endpoint.
    private let host: String, port: String

    /// - Throws: `MessagingError` where the text is no endpoint that both ZeroMQ and this system support.
    public init(_ text: String) throws(MessagingError) {
        func refuse(_ reason: String) -> MessagingError { MessagingError("use “\(text)” as an endpoint", reason) }
        if text.hasPrefix("ipc://") {
            let path = text.dropFirst("ipc://".count)
            guard path.hasPrefix("/"), path.count > 1 else { throw refuse("an ipc endpoint is ipc:// and an absolute path") }
            guard path.utf8.count <= Self.maximumPathLength else {
                throw refuse("the path has \(path.utf8.count) bytes, and a socket's may have \(Self.maximumPathLength)")
            }
            guard path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw refuse("the path has control characters") }
            (host, port) = ("", "")
        } else if text.hasPrefix("tcp://") {
            let address = text.dropFirst("tcp://".count)
            guard let colon = address.lastIndex(of: ":"), colon > address.startIndex else {
                throw refuse("a tcp endpoint is tcp://host:port")
            }
            let (host, port) = (String(address[..<colon]), String(address[address.index(after: colon)...]))
            if let problem = Self.problem(ofHost: host) { throw refuse(problem) }
            guard port == "*" || Int(port).map({ (1...65_535).contains($0) && String($0) == port }) == true else {
                throw refuse("“\(port)” is no port: it must be 1 to 65535")
            }
            (self.host, self.port) = (host, port)
        } else {
            throw refuse("it starts with neither tcp:// nor ipc://")
        }
        description = text
    }

    private static func problem(ofHost host: String) -> String? {
        if host == "*" { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return numeric(String(host.dropFirst().dropLast()), flags: AI_NUMERICHOST)?.isIPv6 == true
                ? nil : "“\(host)” is no IPv6 address"
        }
        if host.contains(":") { return "an IPv6 address is written in brackets: tcp://[::1]:7400" }
        let isName =
            host.utf8.count <= 253
            && host.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        return isName ? nil : "“\(host.prefix(80))” is no host"
    }

    /// The bytes that `sockaddr_un` has room for, without its final zero.
    static let maximumPathLength = 107

    /// The file of an ipc endpoint.
    var path: String? {
        description.hasPrefix("ipc://") ? String(description.dropFirst("ipc://".count)) : nil
    }

    /// Whether it is a TCP endpoint rather than a socket within this host.
    public var isTCP: Bool { path == nil }

    /// Every address of this machine, rather than one.
    private var isAnyHost: Bool { ["*", "0.0.0.0", "[::]", "[0:0:0:0:0:0:0:0]"].contains(host) }

    /// Why no peer can connect to this endpoint, though a stage can bind it; nil where peers can.
    public var whyNobodyConnects: String? {
        guard isTCP else { return nil }
        if isAnyHost { return "nobody can connect to \(host), which stands for every address of this machine" }
        return port == "*" ? "nobody can connect to port *, which stands for any that is free" : nil
    }

    /// Whether only processes of this machine can be at the other end: an ipc socket, or TCP at a loopback address.
    public var isOfThisHost: Bool {
        guard isTCP else { return true }
        let host = plainHost
        return host == "::1"
            || host.hasPrefix("127.") && host.split(separator: ".").count == 4 && host.allSatisfy { $0.isNumber || $0 == "." }
    }

    /// The endpoint to connect to from this machine: the loopback address in place of every address.
    public var onThisHost: Endpoint {
        guard isTCP, isAnyHost, let local = try? Endpoint("tcp://127.0.0.1:\(port)") else { return self }
        return local
    }

    /// Whether two stages of one machine cannot both be bound: at the same file, or at the same port of addresses that are
    /// equal or contain each other.
    public func clashes(with other: Endpoint) -> Bool {
        guard isTCP, other.isTCP else { return isTCP == other.isTCP && plainPath == other.plainPath }
        guard port != "*", port == other.port else { return false }
        return isAnyHost || other.isAnyHost || plainHost == other.plainHost
    }

    private var plainHost: String {
        let lowered = host.lowercased()
        if lowered == "localhost" { return "127.0.0.1" }
        return lowered.hasPrefix("[")
            ? Self.numeric(String(lowered.dropFirst().dropLast()), flags: AI_NUMERICHOST)?.text ?? lowered : lowered
    }

    /// The file without what names the same place: empty components and `.`.
    private var plainPath: [Substring] { (path ?? "").split(separator: "/").filter { $0 != "." } }
}

extension Endpoint {
    /// An address in the form that is passed to ZeroMQ.
    struct Place: Equatable {
        var text: String
        /// Whether the socket has to use IPv6 there.
        var isIPv6: Bool
    }

    /// The address to bind: ZeroMQ takes addresses and names of interfaces, so a host's name is resolved here. A name with
    /// addresses of both kinds means IPv4.
    var placeToBind: Place {
        guard isTCP, host != "*" else { return Place(text: description, isIPv6: false) }
        if host.hasPrefix("[") { return Place(text: description, isIPv6: true) }
        guard let found = Self.numeric(host) else { return Place(text: description, isIPv6: false) }
        return Place(text: "tcp://\(found.isIPv6 ? "[\(found.text)]" : found.text):\(port)", isIPv6: found.isIPv6)
    }

    /// The address to connect to: ZeroMQ resolves names itself, again at every attempt; only the kind of address is set here.
    var placeToConnect: Place {
        guard isTCP, !isAnyHost else { return Place(text: description, isIPv6: false) }
        return Place(text: description, isIPv6: host.hasPrefix("[") || Self.numeric(host)?.isIPv6 == true)
    }

    /// The address of a host, IPv4 where it has one; nil where there is none of that name, an interface for example.
    private static func numeric(_ host: String, flags: Int32 = 0) -> (text: String, isIPv6: Bool)? {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0, let list else { return nil }
        defer { freeaddrinfo(list) }
        var found: [(text: String, isIPv6: Bool)] = []
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let entry = next {
            var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.pointee.ai_addr, entry.pointee.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0 {
                let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                found.append((text, entry.pointee.ai_family == AF_INET6))
            }
            next = entry.pointee.ai_next
        }
        return found.first { !$0.isIPv6 } ?? found.first
    }
}
