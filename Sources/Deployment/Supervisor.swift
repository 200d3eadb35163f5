import Configuration
import Files
import Foundation
import Pipeline
import Subprocess
import SystemPackage
import Wiring

/// Keeps the processes of a graph running on one machine: starts them, restarts what dies, stops them all.
///
/// A child that dies is started again after a delay that doubles with every death in a row, up to a bound; one that dies too often in a row is
/// given up, which ends the graph; so is one that says it cannot start at all. A child that ran long enough counts as healthy again. Deaths by a
/// message are not counted: it is noted, and passed over by the child that is started again.
public actor Supervisor {
    /// One process of the graph.
    public struct Child: Sendable {
        public var name: String
        public var executable: String
        public var arguments: [String]
        /// Whether it is started again when it ends by itself with status 0.
        public var restartsAfterSuccess: Bool

        public init(name: String, executable: String, arguments: [String], restartsAfterSuccess: Bool = true) {
            self.name = name
            self.executable = executable
            self.arguments = arguments
            self.restartsAfterSuccess = restartsAfterSuccess
        }
    }

    /// What happened to a child.
    public enum Event: Sendable, Equatable {
        case started(String, process: Int32, restarts: Int)
        case finished(String)
        /// - Parameter by: the message that killed it, where one did.
        case died(String, how: String, by: PassedOver?, lastWords: String, nextIn: Double)
        case gaveUp(String, how: String, lastWords: String)
    }

    private let configuration: SuperviseSettings
    private let logs: String
    private let isRepeatable: Bool
    private var tasks: [String: Task<Void, Never>] = [:]
    private var processes: [String: Int32] = [:]
    /// Why a child was killed from here, until its end is dealt with.
    private var killed: [String: Hang] = [:]
    public private(set) var restarts: [String: Int] = [:]
    public nonisolated let events: AsyncStream<Event>
    private nonisolated let tell: AsyncStream<Event>.Continuation

    /// - Parameters:
    ///   - logs: an existing directory; each child's output goes to `<name>.log` in it.
    ///   - isRepeatable: whether a message that killed a child comes again from a sender that has started again.
    public init(_ configuration: SuperviseSettings, logs: String, isRepeatable: Bool = false) {
        self.configuration = configuration
        self.logs = logs
        self.isRepeatable = isRepeatable
        (events, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
    }

    public func start(_ child: Child) {
        precondition(tasks[child.name] == nil, "\(child.name) is running already")
        tasks[child.name] = Task { await self.keepRunning(child) }
    }

    /// Stops a child: asks it, waits for the grace period, then kills it.
    public func stop(_ name: String) async {
        guard let task = tasks.removeValue(forKey: name) else { return }
        task.cancel()
        await task.value
    }

    /// Stops every child, all at once.
    public func stopAll() async {
        let running = tasks.values
        tasks.removeAll()
        for task in running { task.cancel() }
        for task in running { await task.value }
        tell.finish()
    }

    /// Kills a child that hangs; what comes next is as with every death.
    public func kill(_ name: String, process: Int32, because hang: Hang) {
        guard processes[name] == process else { return }
        killed[name] = hang
        Glibc.kill(process, SIGKILL)
    }

    private func keepRunning(_ child: Child) async {
        var deaths = 0
        while !Task.isCancelled {
            let began = ContinuousClock.now
            let end = await run(child)
            if Task.isCancelled { return }
            if end == nil, !child.restartsAfterSuccess { return tell(.finished(child.name)) }
            let how = end?.description ?? "ended by itself"
            let message = end.flatMap { messageThatKilled(child, $0) }
            if message == nil {
                if ContinuousClock.now - began > .seconds(configuration.healthyAfter) { deaths = 0 }
                deaths += 1
            }
            guard deaths <= configuration.maximumRestarts, end?.isFinal != true else {
                return tell(.gaveUp(child.name, how: how, lastWords: lastWords(of: child)))
            }
            let delay = message == nil ? delay(after: deaths) : configuration.restartDelay
            tell(.died(child.name, how: how, by: message, lastWords: lastWords(of: child), nextIn: delay))
            restarts[child.name, default: 0] += 1
            try? await Task.sleep(for: .seconds(delay))  // cut short by cancellation alone, which the loop sees
        }
    }

    /// Seconds until the next start after so many deaths in a row.
    private func delay(after deaths: Int) -> Double {
        min(configuration.restartDelay * pow(2, Double(deaths - 1)), configuration.maximumRestartDelay)
    }

    /// The message that killed a stage, noted as one to pass over; nil where none did, or where it did so although it was to be passed over.
    private func messageThatKilled(_ child: Child, _ end: End) -> PassedOver? {
        guard end.isByInput, var message = NewestMessage.read(of: child.name, in: logs) else { return nil }
        if isRepeatable { message.epoch = nil }
        do {
            return try PassedOver.add(message, of: child.name, in: logs) ? message : nil
        } catch {
            return nil  // it could not be noted, so it would come again: a death like any other
        }
    }

    /// Runs the child once. Returns how it ended, or nil for status 0.
    private func run(_ child: Child) async -> End? {
        var options = PlatformOptions()
        options.processGroupID = 0  // an interrupt of the terminal reaches the supervisor alone
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(configuration.stopGrace))]
        let count = restarts[child.name] ?? 0
        guard access(child.executable, X_OK) == 0 else { return .missing(child.executable, String(cString: strerror(errno))) }
        unlink(NewestMessage.path(of: child.name, in: logs))  // what an earlier process took says nothing of this one
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
                tell(.started(child.name, process: process, restarts: count))
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

    /// The supervisor's own, without its settings: children read those from the file that holds what it made of them.
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

    private func tell(_ event: Event) {
        tell.yield(event)
    }

    private func logPath(of child: Child) -> String { "\(logs)/\(child.name).log" }

    /// The end of a child's log: what it said before it died.
    private func lastWords(of child: Child) -> String {
        guard let file = FileHandle(forReadingAtPath: logPath(of: child)) else { return "" }
        defer { try? file.close() }  // it was only read
        let size = (try? file.seekToEnd()) ?? 0
        try? file.seek(toOffset: size > 2048 ? size - 2048 : 0)  // a failed seek reads from where it stands
        let text = String(decoding: (try? file.read(upToCount: 2048)) ?? Data(), as: UTF8.self)  // a disk that fails has no last words
        return text.split(separator: "\n").last.map(String.init) ?? ""
    }
}

/// Why a process counts as hung.
public struct Hang: Sendable, Equatable {
    /// Seconds since it was last heard of.
    public var seconds: Int
    /// Whether it used processor time meanwhile: it is then at a message that does not end.
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

    /// Whether the message that a stage was at may have been the cause: the program stopped itself, or did not come to an end.
    var isByInput: Bool {
        switch self {
        case .signaled(let signal): [SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV].contains(signal)
        case .hung(let hang): hang.isBusy
        default: false
        }
    }

    /// Whether starting it again would not help.
    var isFinal: Bool {
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
        case .hung(let hang): "told nothing for \(hang.seconds) s\(hang.isBusy ? "" : " and did nothing"), and was killed"
        }
    }
}
