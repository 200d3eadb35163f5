import Configuration
import Foundation
import Statistics
import Wiring

/// A graph whose stages run on several hosts: who runs where, and how the stages reach each other.
///
/// It starts nothing: an `Engine` writes what its own tools start. Extractors run where fuse does, which alone receives from them.
public struct HostPlan: Sendable {
    /// A stage, and its host.
    public struct Process: Sendable, Equatable {
        /// `extract-image`, `fuse`, …
        public var name: String
        /// The name of its executable.
        public var executable: String
        /// What follows the configuration file on its command line.
        public var arguments: [String] = []
        public var host: String
        /// The ports at which others reach it, by the key of `endpoints`.
        public var ports: KeyValuePairs<String, Int> = [:]

        public static func == (a: Self, b: Self) -> Bool { a.name == b.name && a.host == b.host && a.arguments == b.arguments }
    }

    /// With endpoints at which the hosts reach each other.
    public private(set) var settings: GraphSettings
    /// In the order in which they are started: each after those that receive from it.
    public let processes: [Process]

    /// The hosts, each once, in the order of their first process.
    public var hosts: [String] {
        processes.reduce(into: []) { hosts, process in if !hosts.contains(process.host) { hosts.append(process.host) } }
    }

    static let stages = ["ingest", "fuse", "learn", "evaluate"]
    /// Of a host, in bytes.  https://www.rfc-editor.org/rfc/rfc1035
    private static let longestName = 253

    /// - Parameters:
    ///   - settings: of a live graph with publishers of the user's.
    ///   - text: `stage=host`, separated by commas; a stage that is not named runs where ingest does. A host is a name or an IPv4 address.
    /// - Throws: `SettingsError`.
    public init(_ settings: GraphSettings, hosts text: String) throws(SettingsError) {
        let hosts = try Self.hosts(text)
        guard let first = hosts["ingest"] else { throw SettingsError("--hosts", "does not say where ingest runs: ingest=HOST,…") }
        guard settings.mode == .live else { throw SettingsError("mode", "a graph on several hosts is live: a replay runs on one") }
        var settings = settings
        // In the working directory of the learner's process.
        if settings.learn.directory.isEmpty { settings.learn.directory = "checkpoint" }
        if settings.gateway.directory.isEmpty { settings.gateway.directory = "gateway" }
        func host(_ stage: String) -> String { hosts[stage] ?? first }
        let (ingest, fuse, learn, evaluate) = (host("ingest"), host("fuse"), host("learn"), host("evaluate"))
        settings.endpoints.sensors = ["tcp://\(ingest):7400"]  // also of the words that extractors hear
        settings.endpoints.acknowledged = ["tcp://\(ingest):7404"]
        settings.endpoints.ingest = ["tcp://\(ingest):7406", "local:ingest"]
        settings.endpoints.fuse = ["tcp://\(fuse):7401", "local:fuse"]
        settings.endpoints.learn = ["tcp://\(learn):7402", "local:learn"]
        settings.endpoints.updates = ["tcp://\(learn):7405", "local:updates"]
        settings.endpoints.orders = ["tcp://\(learn):7407", "local:orders"]
        settings.endpoints.evaluate = ["tcp://\(evaluate):7403", "local:evaluate"]
        settings.endpoints.extract = ["local:extract-{modality}"]
        let problems = settings.problems
        if let first = problems.first { throw first }
        self.settings = settings
        processes =
            [
                Process(
                    name: "learn", executable: "accrete-learn", host: learn, ports: ["learn": 7402, "updates": 7405, "orders": 7407]),
                Process(name: "evaluate", executable: "accrete-evaluate", host: evaluate, ports: ["evaluate": 7403]),
                Process(name: "fuse", executable: "accrete-fuse", host: fuse, ports: ["fuse": 7401]),
            ]
            + settings.extracted.filter { !settings.signals.isOutside($0) }.sorted().map {
                Process(name: "extract-\($0)", executable: "accrete-extract", arguments: ["--modality", $0], host: fuse)
            }
            + [
                Process(
                    name: "ingest", executable: "accrete-ingest", host: ingest,
                    ports: ["sensors": 7400, "acknowledged": 7404, "ingest": 7406])
            ]
    }

    private static func hosts(_ text: String) throws(SettingsError) -> [String: String] {
        var hosts: [String: String] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard sides.count == 2 else { throw SettingsError("--hosts", "'\(part.prefix(80))' is not stage=host") }
            guard stages.contains(sides[0]) else {
                throw SettingsError(
                    "--hosts", "'\(sides[0].prefix(80))' is none of \(stages.joined(separator: ", ")); extractors run where fuse does")
            }
            guard hosts.updateValue(sides[1], forKey: sides[0]) == nil else { throw SettingsError("--hosts", "\(sides[0]) twice") }
            guard isHost(sides[1]) else {
                throw SettingsError("--hosts", "'\(sides[1].prefix(80))' is no name and no IPv4 address of a host")
            }
        }
        return hosts
    }

    private static func isHost(_ name: String) -> Bool {
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = name.utf8.first, isLetterOrDigit(first), name.utf8.count <= longestName else { return false }
        return name.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }
}
