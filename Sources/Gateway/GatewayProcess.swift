import Files
import Foundation
import Logging
import Messaging
import Pipeline
import Schema
import Wiring

/// The web server beside a graph: joins it by its topics, as any outside publisher and subscriber, and can be started and stopped while it
/// runs.
public struct GatewayProcess: Sendable {
    /// Where it can be reached, once it listens.
    public struct Reach: Sendable {
        public let port: Int
        /// The first of the access codes.
        public let code: String
        /// The certificate's SHA-256, as browsers show it.
        public let fingerprint: String

        /// The page's address with the code, which stays in the browser: what follows # is not sent.
        public func address(host: String) -> String { "https://\(host.contains(":") ? "[\(host)]" : host):\(port)/#code=\(code)" }
    }

    private let settings: GatewayConfiguration
    private let environment: [String: String]

    /// - Parameter environment: the environment's variables, which decide the runtime directory.
    public init(_ settings: GatewayConfiguration, environment: [String: String]) {
        (self.settings, self.environment) = (settings, environment)
    }

    /// Serves until the task is cancelled.
    /// - Parameter started: is called once it listens.
    /// - Throws: errors of the certificate's files, of the endpoints and of binding the port.
    public func run(started: @escaping @Sendable (Reach) throws -> Void) async throws {
        let own = settings.gateway, directory = own.directory.isEmpty ? "runs/gateway" : own.directory
        let certificate = try ServerCertificate(in: directory)
        let codes = own.codes.isEmpty ? [try AccessCodes.code(in: directory)] : own.codes
        let names = try LabelNames(in: directory, most: own.maximumNames)
        let metrics = GatewayMetrics(), rates = ClientRates(own)
        let hub = EventHub(maximumStreams: own.maximumStreams, waiting: own.streamEvents, metrics: metrics)
        let desk = AnswerDesk(
            maximum: settings.answer.maximumWaiting, patience: .seconds(clamping: own.answerSeconds), pieces: own.streamEvents,
            clock: MonotonicClock())
        let view = GraphView(hub: hub, desk: desk, metrics: metrics), bus = try settings.openBus()
        let link = try GraphLink(
            to: try settings.sensors(environment), limits: settings.messaging, epoch: UInt64(WallClock().now.nanoseconds), on: bus,
            metrics: metrics)
        let subscriber = try bus.subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: GraphView.topics)], limits: settings.messaging)
        let accepted = AccessCodes(codes, maximumSessions: own.maximumSessions)
        let openAI = OpenAIResponder(
            settings, codes: accepted, desk: desk, started: Int(WallClock().now.nanoseconds / 1_000_000_000),
            publish: { await link.publish($0) })
        let responder = GatewayResponder(
            settings, codes: accepted, rates: rates, metrics: metrics, hub: hub, view: view, names: names, openAI: openAI,
            clock: MonotonicClock(),
            publish: { await link.publish($0) })
        let server = HTTPServer(settings: own, tls: try certificate.context(), rates: rates, metrics: metrics) {
            responder.admit($0)
        }
        let fingerprint = try certificate.fingerprint()
        try await withThrowingTaskGroup { group in
            group.addTask { await view.follow(subscriber) }
            group.addTask { await Self.keepAlive(hub, desk, link) }
            group.addTask {
                try await server.run { try started(Reach(port: $0, code: codes[0], fingerprint: fingerprint)) }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
        subscriber.cancel()
        await link.close()
        await bus.end()
    }

    /// Services the publisher, ends waits that last too long, and sends an event now and then, by which the streams whose readers are gone are found.
    private static func keepAlive(_ hub: EventHub, _ desk: AnswerDesk, _ link: GraphLink) async {
        var turns = 0
        while !Task.isCancelled {
            await link.service()
            desk.expire()
            turns += 1
            if turns % 50 == 0 { hub.send(["type": "alive", "connected": .bool(await link.isHeard)]) }
            try? await Task.sleep(for: .milliseconds(100))  // cancellation ends the loop
        }
    }
}
