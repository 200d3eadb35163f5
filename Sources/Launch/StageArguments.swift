import ArgumentParser
import Foundation
import Glibc
import Logging
import Messaging
import Pipeline
import Wiring

/// The command line arguments of every stage.
public struct StageArguments: ParsableArguments {
    @Option(help: "The configuration file; without it, all settings have their defaults.")
    public var config: String?

    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.")
    public var overrides: [String] = []

    @Option(help: "Minimum level of log messages on standard error: trace, debug, info, notice, warning, error or critical.")
    public var logLevel: Logger.Level = .info

    public init() {}

    /// The settings given by these arguments.
    /// - Throws: `StartFailure` with a sentence for each invalid setting.
    public func settings<S: StageSettings>(_ type: S.Type = S.self) throws -> S { try Self.load(config, overrides) }

    /// The settings of a configuration file, the environment and overrides.
    /// - Parameters:
    ///   - config: the path of the file; nil for the defaults.
    ///   - overrides: `key=value` each.
    /// - Throws: `StartFailure` with a sentence for each invalid setting.
    public static func load<S: StageSettings>(_ config: String?, _ overrides: [String], as type: S.Type = S.self) throws -> S {
        do {
            return try S.read(path: config, environment: ProcessInfo.processInfo.environment, overrides: overrides).settings
        } catch {
            throw StartFailure(error.description)
        }
    }

    /// Runs a stage until it has finished or is stopped.
    /// - Parameters:
    ///   - name: the name of the stage.
    ///   - makeProcessor: creates its processor.
    ///   - subscriptions: the topics that it subscribes to.
    ///   - endpoints: the endpoints at which it publishes.
    ///   - settings: the settings.
    ///   - keepsLast: prefixes of topics whose last message is sent to new subscribers.
    ///   - niceness: how much the process gives way to others that want the processor, 0…19; in live mode only.
    ///   - awaits: the number of subscribers to wait for before the stage begins, by topic; in lockstep mode only.
    /// - Throws: `StartFailure`.
    public func run<P: Processor>(
        _ name: String, _ makeProcessor: () throws -> sending P, subscribesTo subscriptions: [Subscription],
        publishesAt endpoints: [Endpoint], settings: some StageSettings, keepsLast: [String] = [], niceness: Int = 0,
        awaits: [String: Int] = [:]
    ) async throws {
        if settings.mode == .live { giveWay(by: niceness) }
        let processor: P
        do {
            processor = try makeProcessor()
        } catch {
            throw StartFailure("\(name) cannot start: \(error)")
        }
        var logger = Logger(label: name, factory: { LineLogHandler(label: $0) })
        logger.logLevel = logLevel
        var options = settings.stageOptions
        options.keepsLast = keepsLast
        options.awaitedSubscribers = settings.mode == .lockstep ? awaits : [:]
        options.newestMessage = try record(of: name)
        do {
            options.security = try settings.security.open()
        } catch {
            throw StartFailure("\(name) cannot start: \(error)")
        }
        let stage = Stage(
            name: name, processor: processor, subscriptions: subscriptions, publish: endpoints, options: options, logger: logger)
        Supervision.onSupervisorExit { stage.stop() }
        do {
            try await stage.run()
        } catch {
            throw StartFailure("\(name) cannot run: \(error)")
        }
    }
}

/// Lets other processes go first. Linux keeps a niceness for each thread; threads that start later inherit it. Where it is refused, nothing
/// changes.
private func giveWay(by niceness: Int) {
    guard niceness > 0 else { return }
    for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
        if let id = id_t(thread) { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id, Int32(niceness)) }
    }
}

/// The file in which a supervised stage records the message that it is processing; nil without a supervisor.
private func record(of name: String) throws(StartFailure) -> NewestMessage? {
    guard let logs = ProcessInfo.processInfo.environment[Supervised.logs] else { return nil }
    do {
        return try NewestMessage(NewestMessage.path(of: name, in: logs), passingOver: PassedOver.read(of: name, in: logs))
    } catch {
        throw StartFailure("\(name) cannot start: \(error)")
    }
}

/// Why a process cannot start, in one sentence.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
