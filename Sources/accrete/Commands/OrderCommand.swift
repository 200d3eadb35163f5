import ArgumentParser
import Foundation
import Launch
import Messaging
import Pipeline
import Schema
import Stages

/// `accrete order`: sends an operator's order to a running learner.
struct OrderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order",
        abstract: "Make a running learner forget a source, change its strategy, optimiser or learning rate, or roll back.",
        discussion: """
            The effect of an order is recorded in the learner's ledger, see accrete triggers. A change of strategy or optimiser is on \
            trial at first, and is reverted if the loss rises.

            Examples:
              accrete order --forget kitchen
              accrete order --strategy "der++, ewc"
              accrete order --optimizer lamb --settings '{"learning_rate": 0.002}'
              accrete order --rate 0.5
            """)

    @Option(help: "Remove all moments of this session from the replay memory.") var forget: String?
    @Option(help: "Change to this strategy, or to several separated by commas.") var strategy: String?
    @Option(help: "Change to this optimiser.") var optimizer: String?
    @Option(help: "Multiply the learning rate by this factor.") var rate: Double?
    @Flag(help: "Restore the parameters of the version that is serving; requires a gate.") var rollBack = false
    @Option(help: "A JSON object that overrides the default settings of the new strategy or optimiser.") var settings = ""
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []

    func validate() throws {
        try check("--rate", rate, above: 0, atMost: Self.factorLimit)
        guard orders.count == 1 else { throw ValidationError("Give one of --forget, --strategy, --optimizer, --rate, --roll-back.") }
    }

    /// The maximum of `--rate`.
    private static let factorLimit = 1e6

    private var orders: [Order.OneOf_Order] {
        [
            forget.map { .forgetSource($0) }, strategy.map { .switchStrategy($0) }, optimizer.map { .switchOptimizer($0) },
            rate.map { .scaleRate($0) },
            rollBack ? .rollBack(true) : nil,
        ].compactMap { $0 }
    }

    func run() async throws {
        let loaded = try StageArguments.load(config, overrides)
        let bus = try ZeroMQBus()
        let publisher = try bus.publisher(.connect, try loaded.orders(ProcessInfo.processInfo.environment), options: PublisherOptions())
        guard try await publisher.waitForSubscribers(to: Topics.order.prefix, within: .seconds(5)) else {
            throw StartFailure("no learner has subscribed within 5 s; check that the graph is running and that this is its configuration")
        }
        var outbox = Outbox(source: "operator", epoch: UInt64(clamping: WallClock().now.nanoseconds), clock: MonotonicClock())
        try outbox.append(
            Outgoing(
                .with {
                    $0.order = orders[0]; $0.settings = settings
                }, on: try Topics.order("learn")))
        repeat {
            try outbox.flush(to: publisher)
            try await Task.sleep(for: .milliseconds(5))
        } while !outbox.isEmpty
        publisher.close()
        await bus.end()
        print("sent; accrete triggers shows the effect after the next checkpoint")
    }
}
