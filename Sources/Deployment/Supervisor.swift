import Foundation
import Stages
import Subprocess
import SystemPackage

/// Keeps the processes of a graph running on one machine: starts them, restarts what dies, stops them all.
///
/// A child that dies is started again after a delay that doubles with every death in a row, up to a bound; one that dies too often in a row is
/// given up, which ends the graph; so is one that says it cannot start at all. A child that ran long enough counts as healthy again.
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
        case died(String, how: String, lastWords: String, nextIn: Double)
        case gaveUp(String, how: String, lastWords: String)
    }

    private let configuration: SuperviseSettings
    private let logs: String
    private var tasks: [String: Task<Void, Never>] = [:]
    public private(set) var restarts: [String: Int] = [:]
    public nonisolated let events: AsyncStream<Event>
    private nonisolated let tell: AsyncStream<Event>.Continuation

    /// - Parameter logs: an existing directory; each child's output goes to `<name>.log` in it.
    public init(_ configuration: SuperviseSettings, logs: String) {
        self.configuration = configuration
        self.logs = logs
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

    private func keepRunning(_ child: Child) async {
        var deaths = 0
        while !Task.isCancelled {
            let began = ContinuousClock.now
            let end = await run(child)
            if Task.isCancelled { return }
            if end == nil, !child.restartsAfterSuccess { return tell(.finished(child.name)) }
            if ContinuousClock.now - began > .seconds(configuration.healthyAfter) { deaths = 0 }
            deaths += 1
            let how = end ?? "ended by itself"
            guard deaths <= configuration.maximumRestarts, how != Self.cannotStart else {
                return tell(.gaveUp(child.name, how: how, lastWords: lastWords(of: child)))
            }
            let delay = min(configuration.restartDelay * pow(2, Double(deaths - 1)), configuration.maximumRestartDelay)
            tell(.died(child.name, how: how, lastWords: lastWords(of: child), nextIn: delay))
            restarts[child.name, default: 0] += 1
            try? await Task.sleep(for: .seconds(delay))  // cut short by cancellation alone, which the loop sees
        }
    }

    /// Runs the child once. Returns how it ended, or nil for status 0.
    private func run(_ child: Child) async -> String? {
        var options = PlatformOptions()
        options.processGroupID = 0  // an interrupt of the terminal reaches the supervisor alone
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(configuration.stopGrace))]
        let count = restarts[child.name] ?? 0
        do {
            let log = try FileDescriptor.open(FilePath(logPath(of: child)), .writeOnly, options: [.append, .create],
                                              permissions: [.ownerReadWrite, .groupRead, .otherRead])
            defer { try? log.close() }  // nothing was buffered
            let result = try await Subprocess.run(
                .path(FilePath(child.executable)), arguments: Arguments(child.arguments),
                environment: .inherit.updating(["ACCRETE_SUPERVISOR": "\(getpid())", "SWIFT_BACKTRACE": "enable=no"]),
                platformOptions: options, input: .none, output: .fileDescriptor(log, closeAfterSpawningProcess: false),
                error: .fileDescriptor(log, closeAfterSpawningProcess: false)
            ) { execution in
                tell(.started(child.name, process: execution.processIdentifier.value, restarts: count))
            }
            if case .exited(startFailureStatus) = result.terminationStatus { return Self.cannotStart }
            return result.terminationStatus.isSuccess ? nil : "\(result.terminationStatus)"
        } catch {
            return "could not be started: \(error)"
        }
    }

    private static let cannotStart = "it cannot start"

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
        let text = String(decoding: file.availableData, as: UTF8.self)
        return text.split(separator: "\n").last.map(String.init) ?? ""
    }
}
