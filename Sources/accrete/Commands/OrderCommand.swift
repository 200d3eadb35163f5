import ArgumentParser
import Configuration
import Foundation
import Launch
import Messaging
import Pipeline
import Schema
import StrictJSON
import Wiring

/// `accrete order`: an operator's order to a running learner, and its answer.
struct OrderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order",
        abstract: "Make a running learner forget a source, change its strategy, optimiser or learning rate, or roll back.",
        discussion: """
            Prints the learner's answer; the exit status is 1 if the order was refused or not answered. A change of strategy or optimiser \
            is on trial at first, and is reverted if the loss rises: see accrete triggers.

            Examples:
              accrete order --forget kitchen
              accrete order --strategy "der++, ewc"
              accrete order --optimizer lamb --settings '{"learning_rate": 0.002}'
              accrete order --rate 0.5
              accrete order --roll-back --to-version 120
            """)

    @Option(help: "Remove all moments of this session from memory; `accrete forget` unlearns it.") var forget: String?
    @Option(help: "Change to this strategy, or to several separated by commas.") var strategy: String?
    @Option(help: "Change to this optimiser.") var optimizer: String?
    @Option(help: "Multiply the learning rate by this factor.") var rate: Double?
    @Flag(help: "Restore the parameters of the version that is serving, which requires a gate, or those of --to-version.")
    var rollBack = false
    @Option(help: "With --roll-back: the version whose parameters come back, as a new version; else the newest kept before it.")
    var toVersion: UInt64?
    @Option(help: "A JSON object that overrides the default settings of the new strategy or optimiser.") var settings = ""
    @OptionGroup var sending: OrderSending

    func validate() throws {
        try check("--rate", rate, above: 0, atMost: Self.factorLimit)
        guard orders.count == 1 else { throw ValidationError("Give one of --forget, --strategy, --optimizer, --rate, --roll-back.") }
        guard toVersion == nil || rollBack && settings.isEmpty else { throw ValidationError("--to-version goes with --roll-back alone.") }
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
        try await sending.send(
            orders[0], settings: toVersion.map { JSON.object(["version": .integer(Int(clamping: $0))]).text() } ?? settings)
    }
}

/// The options of sending an order, and sending it.
struct OrderSending: ParsableArguments {
    @Option(help: "Seconds to wait for the learner, and then for its answer.") var seconds = 5.0
    @Flag(help: "Print the answer as a JSON object.") var json = false
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []

    func validate() throws { try check("--seconds", seconds, within: 0...waitLimit) }

    /// Sends an order, waits for its answer and prints it.
    /// - Throws: `StartFailure` or `ExitCode.failure`, if it was refused or not answered.
    func send(_ order: Order.OneOf_Order, settings: String = "") async throws {
        let answer = try await answered(order, settings)
        if json { print(try answer.jsonString()) }
        guard answer.accepted else {
            if json { throw ExitCode.failure }
            throw StartFailure("refused: \(printable(answer.reason))")
        }
        if !json { print("\(printable(answer.done)); after moment \(answer.momentsSeen) and model \(answer.modelVersion)") }
    }

    /// Sends the order once and waits for the answer that cites it. The learner sends its newest answer to those who subscribe late.
    private func answered(_ wanted: Order.OneOf_Order, _ given: String) async throws -> OrderAnswer {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let bus = try settings.openBus()
        let listener = try bus.subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: [Topics.orderAnswer("learn").name])],
            limits: settings.messaging)
        let publisher = try bus.publisher(.connect, try settings.orders(environment), options: PublisherOptions())
        defer {
            listener.cancel()
            publisher.close()
        }
        guard try await publisher.waitForSubscribers(to: Topics.order.prefix, within: .seconds(seconds)) else {
            throw StartFailure(
                "no learner has subscribed within \(seconds) s; check that the graph is running and that this is its configuration")
        }
        let source = "operator-\(getpid())", epoch = UInt64(clamping: WallClock().now.nanoseconds)
        var outbox = Outbox(source: source, epoch: epoch, clock: MonotonicClock())
        let order = Order.with {
            ($0.order, $0.settings) = (wanted, given)
        }
        try outbox.append(Outgoing(order, on: try Topics.order("learn")))
        for _ in 0...Int(seconds / Self.interval) {
            try outbox.flush(to: publisher)
            try await Task.sleep(for: .seconds(Self.interval))
            guard let batch = listener.takeIfReady() else { continue }
            for index in 0..<batch.count {
                // to somebody else
                guard let answer: OrderAnswer = try? batch[index].decode(),
                    (answer.orderSource, answer.orderEpoch, answer.orderSequence) == (source, epoch, 1)
                else { continue }
                return answer
            }
        }
        throw StartFailure(
            "the order was sent, and no answer came within \(seconds) s; accrete triggers shows whether it was carried out")
    }

    /// Seconds between two looks for the answer.
    private static let interval = 0.01
}
