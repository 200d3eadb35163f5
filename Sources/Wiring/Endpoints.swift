import Foundation
import Messaging
import Schema

/// The endpoints at which each stage receives and publishes. `local:name` means an ipc socket in the runtime directory.
public struct Endpoints: Codable, Sendable, Equatable {
    /// Directory of the ipc sockets; empty: one of the user's own under `$XDG_RUNTIME_DIR` or `/tmp`.
    public var runtime = ""
    /// Ingest binds these and receives from publishers, which connect.
    public var sensors = ["tcp://127.0.0.1:7400", "local:sensors"]
    /// Where there is a journal, ingest binds these too; publishers that connect get acknowledgements of what is on disk.
    public var acknowledged = ["tcp://127.0.0.1:7404", "local:acknowledged"]
    /// Each stage binds its endpoints and publishes; subscribers connect.
    public var ingest = ["local:ingest"]
    /// `{modality}` is replaced by the modality's name.
    public var extract = ["local:extract-{modality}"]
    public var fuse = ["local:fuse", "tcp://127.0.0.1:7401"]
    public var learn = ["local:learn", "tcp://127.0.0.1:7402"]
    public var evaluate = ["local:evaluate", "tcp://127.0.0.1:7403"]
    /// The learner binds these and receives an operator's orders; operators connect.
    public var orders = ["local:orders"]
    /// Where it publishes deltas, or tries versions first, the learner binds these too: subscribers that connect get what they have missed.
    public var updates = ["local:updates", "tcp://127.0.0.1:7405"]
    /// A player publishes its status here.
    public var play = ["local:play"]

    public init() {}
}

extension Endpoints {
    /// Endpoints that no other graph on this host uses, and that no other host can reach.
    /// - Parameter process: the id that makes the runtime directory unique.
    public static func isolated(process: Int32) -> Endpoints {
        var endpoints = Endpoints()
        endpoints.runtime = "/tmp/accrete-\(getuid())-\(process)"
        endpoints.sensors = ["local:sensors"]
        endpoints.acknowledged = ["local:acknowledged"]
        endpoints.fuse = ["local:fuse"]
        endpoints.learn = ["local:learn"]
        endpoints.evaluate = ["local:evaluate"]
        endpoints.updates = ["local:updates"]
        return endpoints
    }

    /// Whether what the learner publishes reaches processes of this machine only.
    public var learnStaysHere: Bool { (learn + updates).allSatisfy { (try? Endpoint($0))?.isOfThisHost ?? $0.hasPrefix(Self.local) } }

    /// All sections of endpoints by key, without `runtime`.
    package var lists: [(key: String, list: [String])] {
        [
            ("sensors", sensors), ("acknowledged", acknowledged), ("ingest", ingest), ("extract", extract), ("fuse", fuse),
            ("learn", learn), ("evaluate", evaluate),
            ("orders", orders), ("updates", updates), ("play", play),
        ]
    }

    /// The prefix of an endpoint in the runtime directory.
    private static let local = "local:"

    /// Why an endpoint of a configuration cannot be used on any machine; nil where it can.
    static func malformation(of endpoint: String) -> String? {
        if endpoint.hasPrefix(local) {
            let name = endpoint.dropFirst(local.count).replacingOccurrences(of: "{modality}", with: "m")
            return TopicComponent.isValid(name) ? nil : "'\(endpoint.prefix(120))' wants a name of letters, digits, - and _ after local:"
        }
        do {
            _ = try Endpoint(endpoint.replacingOccurrences(of: "{modality}", with: "m"))
            return nil
        } catch {
            return "'\(endpoint.prefix(120))' is none of local:name, ipc:///path, tcp://host:port: \(error.reason)"
        }
    }

    /// The directory of the ipc sockets: `runtime`, else one under `$XDG_RUNTIME_DIR` or `/tmp`.
    public func runtimeDirectory(environment: [String: String]) -> String {
        if !runtime.isEmpty { return runtime }
        if let own = environment["XDG_RUNTIME_DIR"], !own.isEmpty { return own + "/accrete" }
        return "/tmp/accrete-\(getuid())"
    }

    /// The endpoints with `local:` and `{modality}` replaced.
    public func resolved(_ list: [String], modality: String = "", environment: [String: String]) -> [String] {
        list.map { endpoint in
            let named = endpoint.replacingOccurrences(of: "{modality}", with: modality)
            guard named.hasPrefix(Self.local) else { return named }
            return "ipc://\(runtimeDirectory(environment: environment))/\(named.dropFirst(Self.local.count))"
        }
    }
}

extension Endpoints {
    /// The endpoints, resolved and parsed.
    /// - Throws: `MessagingError` for the first that is no endpoint on this machine.
    func endpoints(_ list: [String], modality: String = "", environment: [String: String]) throws(MessagingError) -> [Endpoint] {
        try resolved(list, modality: modality, environment: environment).map { text throws(MessagingError) in try Endpoint(text) }
    }
}
