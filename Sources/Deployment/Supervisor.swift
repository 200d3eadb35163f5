import Configuration
import Files
import Foundation
import Pipeline
import Subprocess
import SystemPackage
import Wiring

/// Supervises the processes of a graph on one machine: starts them, restarts those that fail, and stops them all.
///
/// A child that fails is restarted after a delay that doubles with every consecutive failure, up to a limit. If it fails too often
/// consecutively, or reports at its first start that it cannot, the supervisor gives up, which ends the graph. A child that has run before
/// and then cannot start, for example while a disk is full, is restarted like after any other failure. A child that has run long enough
/// counts as healthy, and its failures are counted anew. Failures caused by a message are not counted: the message is recorded, and
/// skipped by the restarted child.
public actor Supervisor {
    /// A process of the graph.
    public struct Child: Sendable {
        public var name: String
        public var executable: String
        public var arguments: [String]
        /// Whether it is restarted after it has exited with status 0.
        public var restartsAfterSuccess: Bool

        public init(name: String, executable: String, arguments: [String], restartsAfterSuccess: Bool = true) {
            self.name = name
            self.executable = executable
            self.arguments = arguments
            self.restartsAfterSuccess = restartsAfterSuccess
        }
    }

    /// A change of the state of a child.
    public enum Event: Sendable, Equatable {
        case started(String, process: Int32, restarts: Int)
        case finished(String)
        /// The child has failed and is restarted.
        /// - Parameters:
        ///   - how: how it ended.
        ///   - by: the message that caused the failure, if one did.
        ///   - lastLogLine: the last line of its log.
        ///   - nextIn: seconds until the restart.
        case failed(String, how: String, by: PassedOver?, lastLogLine: String, nextIn: Double)
        /// The child has failed and is not restarted.
        case gaveUp(String, how: String, lastLogLine: String)
    }

    private let configuration: SuperviseSettings
    private let logs: String
    private let isRepeatable: Bool
    private var tasks: [String: Task<Void, Never>] = [:]
    private var processes: [String: Int32] = [:]
    /// The reason why the supervisor has killed a child, until its end is handled.
    private var killed: [String: Hang] = [:]
    public private(set) var restarts: [String: Int] = [:]
    public nonisolated let events: AsyncStream<Event>
    private nonisolated let continuation: AsyncStream<Event>.Continuation

    /// - Parameters:
    ///   - configuration: the settings.
    ///   - logs: an existing directory; each child's output is appended to `<name>.log` in it.
    ///   - isRepeatable: whether a message that caused a failure is sent again after a restart of its sender.
    public init(_ configuration: SuperviseSettings, logs: String, isRepeatable: Bool = false) {
        self.configuration = configuration
        self.logs = logs
        self.isRepeatable = isRepeatable
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
    }

    /// Starts a child and keeps it running.
    public func start(_ child: Child) {
        precondition(tasks[child.name] == nil, "\(child.name) is running already")
        tasks[child.name] = Task { await self.keepRunning(child) }
    }

    /// Stops a child: sends SIGTERM, waits for the grace period, then sends SIGKILL.
    public func stop(_ name: String) async {
        guard let task = tasks.removeValue(forKey: name) else { return }
        task.cancel()
        await task.value
    }

    /// Stops all children concurrently.
    public func stopAll() async {
        let running = tasks.values
        tasks.removeAll()
        for task in running { task.cancel() }
        for task in running { await task.value }
        continuation.finish()
    }

    /// Kills a hung child, which is then handled like any other failure.
    public func kill(_ name: String, process: Int32, because hang: Hang) {
        guard processes[name] == process else { return }
        killed[name] = hang
        Glibc.kill(process, SIGKILL)
    }

    private func keepRunning(_ child: Child) async {
        var failures = 0, hasRun = false
        while !Task.isCancelled {
            let began = ContinuousClock.now
            let end = await run(child)
            if Task.isCancelled { return }
            if end == nil, !child.restartsAfterSuccess { return emit(.finished(child.name)) }
            let how = end?.description ?? "ended by itself"
            let message = end.flatMap { messageThatKilled(child, $0) }
            if message == nil {
                // One that took long to find that it cannot start was not healthy.
                if end?.isStartFailure != true, ContinuousClock.now - began > .seconds(configuration.healthyAfter) { failures = 0 }
                failures += 1
            }
            if end?.hasRun ?? true { hasRun = true }
            guard failures <= configuration.maximumRestarts, hasRun || end?.isStartFailure != true else {
                return emit(.gaveUp(child.name, how: how, lastLogLine: lastLogLine(of: child)))
            }
            let delay = message == nil ? delay(after: failures) : configuration.restartDelay
            emit(.failed(child.name, how: how, by: message, lastLogLine: lastLogLine(of: child), nextIn: delay))
            restarts[child.name, default: 0] += 1
            try? await Task.sleep(for: .seconds(delay))  // throws only if cancelled, which the loop checks
        }
    }

    /// Seconds until the restart after a number of consecutive failures.
    private func delay(after failures: Int) -> Double {
        min(configuration.restartDelay * pow(2, Double(failures - 1)), configuration.maximumRestartDelay)
    }

    /// The message that caused the failure of a stage, after recording it as one to skip; nil if there is none, or if it was to be skipped
    /// already.
    private func messageThatKilled(_ child: Child, _ end: End) -> PassedOver? {
        guard end.isByInput, var message = NewestMessage.read(of: child.name, in: logs) else { return nil }
        if isRepeatable { message.epoch = nil }
        do {
            return try PassedOver.add(message, of: child.name, in: logs) ? message : nil
        } catch {
            return nil  // not recorded, so it would be processed again: counts as an ordinary failure
        }
    }

    /// Runs the child once. Returns how it ended, or nil for status 0.
    private func run(_ child: Child) async -> End? {
        var options = PlatformOptions()
        options.processGroupID = 0  // so that control-C in the terminal is sent to the supervisor only
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(configuration.stopGrace))]
        let count = restarts[child.name] ?? 0
        guard access(child.executable, X_OK) == 0 else { return .missing(child.executable, String(cString: strerror(errno))) }
        unlink(NewestMessage.path(of: child.name, in: logs))  // belongs to an earlier process
        defer { (processes[child.name], killed[child.name]) = (nil, nil) }
        do {
            let log = try FileDescriptor.open(
                FilePath(logPath(of: child)), .writeOnly, options: [.append, .create],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
            defer { try? log.close() }  // nothing was buffered
            let result = try await Subprocess.run(
                .path(FilePath(child.executable)), arguments: Arguments(child.arguments), environment: environment,
                platformOptions: options,
                input: .none, output: .fileDescriptor(log, closeAfterSpawningProcess: false),
                error: .fileDescriptor(log, closeAfterSpawningProcess: false)
            ) { execution in
                let process = execution.processIdentifier.value
                note(child.name, process)
                emit(.started(child.name, process: process, restarts: count))
            }
            if let hang = killed[child.name] { return .hung(hang) }
            return switch result.terminationStatus {
            case .exited(0): nil
            case .exited(startFailureStatus): .cannotStart
            case .exited(let status): .exited(status)
            case .signaled(let signal): .signaled(signal)
            }
        } catch {
            return .notStarted("\(error)")
        }
    }

    private func note(_ name: String, _ process: Int32) { processes[name] = process }

    /// The supervisor's environment without settings, because children read the effective settings from a file.
    private var environment: Environment {
        var changes: [Environment.Key: String?] = [:]
        for name in ProcessInfo.processInfo.environment.keys where name.hasPrefix("ACCRETE_") {
            changes[Environment.Key(stringLiteral: name)] = .some(nil)
        }
        for (name, value) in [(Supervised.supervisor, "\(getpid())"), (Supervised.logs, logs), ("SWIFT_BACKTRACE", "enable=no")] {
            changes[Environment.Key(stringLiteral: name)] = value
        }
        return .inherit.updating(changes)
    }

    private func emit(_ event: Event) { continuation.yield(event) }

    private func logPath(of child: Child) -> String { "\(logs)/\(child.name).log" }

    /// The last line of a child's log.
    private func lastLogLine(of child: Child) -> String {
        guard let file = FileHandle(forReadingAtPath: logPath(of: child)) else { return "" }
        defer { try? file.close() }  // closing a file that was only read cannot lose data
        let size = (try? file.seekToEnd()) ?? 0
        try? file.seek(toOffset: size > 2048 ? size - 2048 : 0)  // after an error, reading starts at the current position
        let text = String(decoding: (try? file.read(upToCount: 2048)) ?? Data(), as: UTF8.self)  // after an error the text is empty
        return text.split(separator: "\n").last.map(String.init) ?? ""
    }
}

/// A process that has sent no status for too long.
public struct Hang: Sendable, Equatable {
    /// Seconds since its last status.
    public var seconds: Int
    /// Whether it has used processor time since, and is thus processing a message without end.
    public var isBusy: Bool
}

/// How a process ended.
enum End: Equatable, CustomStringConvertible {
    case cannotStart
    case missing(String, String)
    case exited(Int32)
    case signaled(Int32)
    case notStarted(String)
    case hung(Hang)

    /// Whether the message that a stage was processing may be the cause: the program trapped, or did not finish.
    var isByInput: Bool {
        switch self {
        case .signaled(let signal): [SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV].contains(signal)
        case .hung(let hang): hang.isBusy
        default: false
        }
    }

    /// Whether it got past its start: it ended otherwise than by not starting.
    var hasRun: Bool {
        switch self {
        case .cannotStart, .missing, .notStarted: false
        default: true
        }
    }

    /// Whether it says that it cannot start, so that starting it again cannot help where it never has run.
    var isStartFailure: Bool {
        switch self {
        case .cannotStart, .missing: true
        default: false
        }
    }

    var description: String {
        switch self {
        case .cannotStart: "it cannot start"
        case .missing(let path, let why): "\(path) cannot be run: \(why)"
        case .exited(let status): "status \(status)"
        case .signaled(let signal): "signal \(signal), \(String(cString: strsignal(signal)))"
        case .notStarted(let why): "could not be started: \(why)"
        case .hung(let hang): "sent no status for \(hang.seconds) s\(hang.isBusy ? "" : " and used no processor time"), and was killed"
        }
    }
}
