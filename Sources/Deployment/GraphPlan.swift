import Configuration
import Files
import Foundation
import Pipeline
import Recordings
import Safetensors
import Signals
import Wiring

/// The processes of a graph on one machine, with their settings and directories.
public struct GraphPlan: Sendable {
    /// The publisher of readings.
    public enum Source: Sendable, Equatable {
        /// `accrete-simulate`, the default.
        case simulator
        /// A session directory or an MCAP file, replayed by `accrete play`.
        case session(String)
        /// Publishers that are started by the user.
        case outside

        /// Its name in the title of a plot.
        var name: String {
            switch self {
            case .simulator: "simulated session"
            case .session(let path): URL(fileURLWithPath: path).lastPathComponent
            case .outside: "live"
            }
        }

        /// The name under which it publishes; its end is the end of the stream. Empty for publishers of the user.
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
    /// The directory of the run: settings, logs, checkpoint, report.
    public var directory: String
    /// Whether the web server for phones and browsers is started with the graph.
    public var hasGateway = false

    public init(settings: GraphSettings, source: Source, executables: String, directory: String) {
        self.settings = settings
        self.source = source
        self.executables = executables
        self.directory = directory
    }

    /// Whether the stream can be repeated without loss, as a session in lockstep mode can.
    var isRepeatable: Bool {
        if case .session = source { settings.mode == .lockstep } else { false }
    }

    public var settingsFile: String { directory + "/settings.yaml" }
    public var reportFile: String { directory + "/report.json" }
    /// What a page shows of the run (`accrete watch`).
    public var recordFile: String { RunRecord.file(in: directory) }
    /// The directory of the processes' logs.
    public var logs: String { directory + "/logs" }

    /// The stages in the order in which they are started: each after its subscribers. Extractors that are processes of the user's are not.
    public var stages: [Supervisor.Child] {
        let common = ["--config", settingsFile]
        return [child("learn", common), child("evaluate", common), child("fuse", common)]
            + settings.extracted.filter { !settings.signals.isOutside($0) }.map {
                child("extract", common + ["--modality", $0], named: "extract-\($0)")
            }
            + [child("ingest", common + ["--closer", source.publisher])]
    }

    /// The process that publishes readings; nil for publishers of the user.
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

    /// The web server for phones and browsers; nil where none is wanted. No stage: it publishes no status, and may fail without the graph.
    var gateway: Supervisor.Child? {
        hasGateway ? child("gateway", ["--config", settingsFile, "--greeting", greetingFile]) : nil
    }

    /// Where the web server writes its address and its access code.
    var greetingFile: String { directory + "/gateway/greeting" }

    private func child(_ stage: String, _ arguments: [String], named name: String? = nil, restarts: Bool = true) -> Supervisor.Child {
        .init(name: name ?? stage, executable: "\(executables)/accrete-\(stage)", arguments: arguments, restartsAfterSuccess: restarts)
    }
}

extension GraphSettings {
    /// The names of the stages of a graph that publish a status, sorted. Extractors that are processes of the user's are not among them.
    public var stageNames: [String] {
        (["evaluate", "fuse", "ingest", "learn"] + extracted.filter { !signals.isOutside($0) }.map { "extract-\($0)" }).sorted()
    }
}

extension GraphPlan {
    /// Makes a plan from the arguments of a command.
    ///
    /// Unless endpoints are configured, the replay of a session uses sockets in a private directory and opens no port, so that it can run
    /// at the same time as a live graph. The default directory is `runs/default` for the simulator and `runs/live` for publishers of the
    /// user, so that a further run continues from their newest checkpoint, and a new directory under `runs/` for a session.
    /// - Parameters:
    ///   - source: the publisher of readings.
    ///   - config: the path of the configuration file; nil for the defaults.
    ///   - overrides: `key=value` each.
    ///   - directory: the directory of the run; nil for the default.
    ///   - environment: the environment, which may contain settings too.
    /// - Throws: `ConfigurationError`; `SignalRefusal` for a session that cannot be read.
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
            let recording = try Recording(path: path), scan = try recording.scan()
            if reading.origin(of: "model.classes") == .defaults { settings.model.classes = max(settings.model.classes, scan.classes) }
            if !reading.origins.keys.contains(where: { $0.split(separator: ".").first == "endpoints" }) {
                settings.endpoints = .isolated(process: getpid())
            }
            if settings.learn.stream.isEmpty { settings.learn.stream = try digest(of: recording.contents) }
            let file = URL(fileURLWithPath: path)
            let plain = recording.directory == nil ? file.deletingPathExtension() : file
            name = plain.lastPathComponent + "-" + UUID().uuidString.prefix(8).lowercased()
        }
        let runDirectory = URL(fileURLWithPath: directory ?? "runs/\(name)").standardizedFileURL.path
        if settings.gateway.directory.isEmpty { settings.gateway.directory = runDirectory + "/gateway" }
        if settings.learn.directory.isEmpty { settings.learn.directory = runDirectory + "/checkpoint" }
        // A session may have more classes than were checked before, and thus need more memory.
        let problems = settings.problems.map { ConfigurationError.Problem(origin: reading.origin(of: $0.key), $0) }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        if settings.learn.run.isEmpty { settings.learn.run = unfinishedRun(in: runDirectory) ?? UUID().uuidString.lowercased() }
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return GraphPlan(
            settings: settings, source: source, executables: executable.deletingLastPathComponent().path, directory: runDirectory)
    }

    /// The SHA-256 digest of a file, which is read in pieces.
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

    /// The identifier of a run in a directory that has been started but has no report yet; it is continued. Nil if there is none.
    private static func unfinishedRun(in directory: String) -> String? {
        guard let bytes = try? readFile(directory + "/" + unfinished, atMost: 256) else { return nil }  // the usual case: there is none
        let text = String(decoding: bytes, as: UTF8.self)
        return UUID(uuidString: text) == nil ? nil : text
    }

    /// Records that the run has been started.
    func begin() throws(FileError) { try replaceFile(at: directory + "/" + Self.unfinished, with: settings.learn.run) }

    /// Writes the report and thus ends the run: the next run in this directory has a new identifier.
    public func finish(with report: RunReport) throws {
        try replaceFile(at: reportFile, with: report.json)
        unlink(directory + "/" + Self.unfinished)  // missing if the run was never started
    }

    private static let unfinished = "unfinished"

    /// The text shown before the graph is started.
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
