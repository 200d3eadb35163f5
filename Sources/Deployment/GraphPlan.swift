import Configuration
import Files
import Foundation
import Pipeline
import Safetensors
import Signals
import Wiring

/// The processes that make up a graph on one machine, and where they are told apart.
public struct GraphPlan: Sendable {
    /// What sends readings into the graph.
    public enum Source: Sendable, Equatable {
        /// `accrete-simulate`: the embedded default.
        case simulator
        /// A session directory, played by `accrete play`.
        case session(String)
        /// Publishers that are started by somebody else.
        case outside

        /// What a plot calls it.
        var name: String {
            switch self {
            case .simulator: "simulated session"
            case .session(let path): URL(fileURLWithPath: path).lastPathComponent
            case .outside: "live"
            }
        }

        /// The name under which it publishes, and whose end is the end of the stream.
        var publisher: String {
            switch self {
            case .simulator: "simulator"
            case .session: "replay"
            case .outside: ""
            }
        }
    }

    public var settings: GraphSettings
    public var source: Source
    /// The directory of the executables.
    public var executables: String
    /// The directory that holds everything of this run: settings, logs, checkpoint, report.
    public var directory: String

    public init(settings: GraphSettings, source: Source, executables: String, directory: String) {
        self.settings = settings
        self.source = source
        self.executables = executables
        self.directory = directory
    }

    /// Whether the stream can be begun again without loss: a session in lockstep.
    var isRepeatable: Bool {
        if case .session = source { settings.mode == .lockstep } else { false }
    }

    public var settingsFile: String { directory + "/settings.yaml" }
    public var reportFile: String { directory + "/report.json" }
    /// The directory of what the processes say.
    public var logs: String { directory + "/logs" }

    /// The stages, in the order in which they start: each after those that it tells.
    public var stages: [Supervisor.Child] {
        let common = ["--config", settingsFile]
        return [child("learn", common), child("evaluate", common), child("fuse", common)]
            + settings.extracted.map { child("extract", common + ["--modality", $0], named: "extract-\($0)") }
            + [child("ingest", common + ["--closer", source.publisher])]
    }

    /// The process that sends readings, if it is one of ours.
    public var publisher: Supervisor.Child? {
        switch source {
        case .simulator: child("simulate", ["--config", settingsFile], named: "simulate", restarts: false)
        case .session(let path):
            Supervisor.Child(
                name: "play", executable: executables + "/accrete", arguments: ["play", path, "--config", settingsFile],
                restartsAfterSuccess: false)
        case .outside: nil
        }
    }

    private func child(_ stage: String, _ arguments: [String], named name: String? = nil, restarts: Bool = true) -> Supervisor.Child {
        .init(name: name ?? stage, executable: "\(executables)/accrete-\(stage)", arguments: arguments, restartsAfterSuccess: restarts)
    }
}

extension GraphPlan {
    /// A plan from what the operator asked for.
    ///
    /// A replay is a world of its own: unless endpoints are configured, it meets in a private directory and opens no port, so that it can run beside a
    /// live graph. A run without a directory gets one under `runs/`: the embedded default always the same one, so that it goes on from its newest
    /// checkpoint; everything else a new one.
    /// - Throws: `ConfigurationError`, or what is wrong with the session directory.
    public static func make(
        _ source: Source, config: String?, overrides: [String], directory: String?, environment: [String: String]
    ) throws -> GraphPlan {
        let reading = try GraphSettings.read(path: config, environment: environment, overrides: overrides)
        let lacking = reading.lacking()
        guard lacking.isEmpty else { throw ConfigurationError(problems: lacking) }
        var settings = reading.settings
        let name: String
        switch source {
        case .simulator: name = "default"
        case .outside: name = "live"
        case .session(let path):
            let scan = try SessionDirectory(path: path).scan()
            if reading.origin(of: "model.classes") == .defaults { settings.model.classes = max(settings.model.classes, scan.classes) }
            if !reading.origins.keys.contains(where: { $0.split(separator: ".").first == "endpoints" }) {
                settings.endpoints = .isolated(process: getpid())
            }
            if settings.learn.stream.isEmpty { settings.learn.stream = try digest(of: path + "/session.jsonl") }
            name = URL(fileURLWithPath: path).lastPathComponent + "-" + UUID().uuidString.prefix(8).lowercased()
        }
        let place = URL(fileURLWithPath: directory ?? "runs/\(name)").standardizedFileURL.path
        if settings.learn.directory.isEmpty { settings.learn.directory = place + "/checkpoint" }
        // A session may want more classes than were checked, and so more memory.
        let problems = settings.problems.map {
            ConfigurationError.Problem(origin: reading.origin(of: $0.key), text: "\($0.key): \($0.text)")
        }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        if settings.learn.run.isEmpty { settings.learn.run = unfinishedRun(in: place) ?? UUID().uuidString.lowercased() }
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return GraphPlan(settings: settings, source: source, executables: executable.deletingLastPathComponent().path, directory: place)
    }

    /// SHA-256 of a file, read piece by piece.
    private static func digest(of path: String) throws -> String {
        let file = try InputFile(path)
        var hash = SHA256(), buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(file.descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw FileError(path, .cannotRead(String(cString: strerror(errno)))) }
            if count == 0 { return SHA256.hex(hash.digest()) }
            buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    /// The run that was begun in a directory and has not come to its report: whoever starts it again goes on with it.
    private static func unfinishedRun(in directory: String) -> String? {
        guard let bytes = try? readFile(directory + "/" + unfinished, atMost: 256) else { return nil }  // the usual case: there is none
        let text = String(decoding: bytes, as: UTF8.self)
        return UUID(uuidString: text) == nil ? nil : text
    }

    /// Notes that the run has begun.
    func begin() throws(FileError) { try replaceFile(at: directory + "/" + Self.unfinished, with: settings.learn.run) }

    /// Writes the run's report; the run is over then, and the next in this directory is another.
    public func finish(with report: RunReport) throws {
        try replaceFile(at: reportFile, with: report.json)
        unlink(directory + "/" + Self.unfinished)  // what never began has none
    }

    private static let unfinished = "unfinished"

    /// What is said before anything starts.
    public var introduction: String {
        let what =
            switch source {
            case .simulator: "a simulated AR session of \(settings.simulate.moments) moments"
            case .session(let path): "the session in \(path)"
            case .outside: "publishers at \(settings.endpoints.sensors.joined(separator: " and "))"
            }
        return """
            Accrete \(accreteVersion): \(what), \(settings.mode.rawValue), fusion \(settings.model.fusion), seed \(settings.seed).
            settings, logs, checkpoint: \(directory)

            """
    }
}
