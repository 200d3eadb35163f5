import Configuration
import ArgumentParser
import Foundation
import Launch
import Messaging
import Pipeline
import Schema
import Wiring

/// `accrete order`: an operator's word to a running learner.
struct OrderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order", abstract: "Tell a running learner to forget a source, to learn or to step otherwise, or to go back.",
        discussion: """
            What a learner did is in its ledger: accrete triggers. A switch is on trial, and taken back where the loss rises.

            Examples:
              accrete order --forget kitchen
              accrete order --strategy "der++, ewc"
              accrete order --optimizer lamb --settings '{"learning_rate": 0.002}'
              accrete order --rate 0.5
            """)

    @Option(help: "Forget every remembered moment of this session.") var forget: String?
    @Option(help: "Learn by this strategy, or several joined by commas.") var strategy: String?
    @Option(help: "Step by this optimiser.") var optimizer: String?
    @Option(help: "Multiply the learning rate by this factor.") var rate: Double?
    @Flag(help: "Go back to the weights of the version that serves; the learner needs a gate.") var rollBack = false
    @Option(help: "JSON, laid over the defaults of what is switched to.") var settings = ""
    @Option(help: "The configuration file of the running graph; without it, the defaults.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []

    func validate() throws {
        try check("--rate", rate, above: 0, atMost: Self.factorLimit)
        guard orders.count == 1 else { throw ValidationError("Give one of --forget, --strategy, --optimizer, --rate, --roll-back.") }
    }

    /// Most by which a rate is multiplied at once.
    private static let factorLimit = 1e6

    private var orders: [Order.OneOf_Order] {
        [
            forget.map { .forgetSource($0) }, strategy.map { .switchStrategy($0) }, optimizer.map { .switchOptimizer($0) },
            rate.map { .scaleRate($0) },
            rollBack ? .rollBack(true) : nil,
        ].compactMap { $0 }
    }

    func run() async throws {
        let loaded: GraphSettings = try StageArguments.load(config, overrides)
        let bus = try ZeroMQBus()
        let publisher = try bus.publisher(.connect, try loaded.orders(ProcessInfo.processInfo.environment), options: PublisherOptions())
        guard try await publisher.waitForSubscribers(to: Topics.order.prefix, within: .seconds(5)) else {
            throw StartFailure("no learner was heard within 5 s; is the graph up, and is this its configuration?")
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
        print("told; accrete triggers shows what became of it, after the next checkpoint")
    }
}
