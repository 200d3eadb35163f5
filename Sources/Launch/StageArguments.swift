import ArgumentParser
import Foundation
import Logging
import Messaging
import Pipeline
import Wiring

/// What every stage takes on its command line.
public struct StageArguments: ParsableArguments {
    @Option(help: "The configuration file; without it, the defaults.")
    public var config: String?

    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.")
    public var overrides: [String] = []

    @Option(help: "Say more (debug) or less (warning, error) on standard error.")
    public var logLevel: Logger.Level = .info

    public init() {}

    /// The settings that these arguments ask for.
    /// - Throws: `StartFailure` with a sentence for each thing that makes no sense.
    public func settings<S: StageSettings>(_ type: S.Type = S.self) throws -> S { try Self.load(config, overrides) }

    /// The settings that a configuration file, the environment and overrides (`key=value`) make.
    /// - Throws: `StartFailure` with a sentence for each thing that makes no sense.
    public static func load<S: StageSettings>(_ config: String?, _ overrides: [String], as type: S.Type = S.self) throws -> S {
        do {
            return try S.read(path: config, environment: ProcessInfo.processInfo.environment, overrides: overrides).settings
        } catch {
            throw StartFailure(error.description)
        }
    }

    /// Runs a stage until it is done or told to stop.
    public func run<P: Processor>(
        _ name: String, _ makeProcessor: () throws -> sending P, hears subscriptions: [Subscription], at endpoints: [Endpoint],
        settings: some StageSettings,
        keepsLast: [String] = [], awaits: [String: Int] = [:]
    ) async throws {
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
        let stage = Stage(
            name: name, processor: processor, subscriptions: subscriptions, publish: endpoints, options: options, logger: logger)
        Supervision.atItsEnd { stage.stop() }
        do {
            try await stage.run()
        } catch {
            throw StartFailure("\(name) cannot run: \(error)")
        }
    }
}

/// Where a supervised stage notes the message that it is at.
private func record(of name: String) throws(StartFailure) -> NewestMessage? {
    guard let logs = ProcessInfo.processInfo.environment[Supervised.logs] else { return nil }
    do {
        return try NewestMessage(NewestMessage.path(of: name, in: logs), passingOver: PassedOver.read(of: name, in: logs))
    } catch {
        throw StartFailure("\(name) cannot start: \(error)")
    }
}

/// One sentence on why a process cannot start.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
