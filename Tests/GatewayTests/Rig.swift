import Messaging
import NIOHTTP1
import Pipeline
import PipelineTesting
import Synchronization
import Testing
import Wiring

@testable import Gateway

/// A gateway without sockets, whose graph is what a test makes of the messages.
final class Rig: Sendable {
    let published = Mutex<[Outgoing]>([])
    let metrics = GatewayMetrics()
    let hub: EventHub
    let desk: AnswerDesk
    let view: GraphView
    let rates: ClientRates
    let clock = VirtualClock()
    /// Answers a published message as the graph would.
    let graph = Mutex<@Sendable (Rig, Outgoing) -> Void>({ _, _ in })
    private let responder: Mutex<GatewayResponder?> = Mutex(nil)
    private let time = Mutex<Int64>(1_700_000_000_000_000_000)

    /// - Parameter directory: where names are stored; empty: nowhere.
    init(
        names directory: String = "", _ changeAll: (inout GatewayConfiguration) -> Void = { _ in },
        gateway change: (inout GatewaySettings) -> Void = { _ in }
    ) throws {
        var settings = GatewayConfiguration()
        settings.model = ModelSenses(["image"])
        settings.answer.after = ["utterance"]
        changeAll(&settings)
        change(&settings.gateway)
        hub = EventHub(maximumStreams: settings.gateway.maximumStreams, waiting: settings.gateway.streamEvents, metrics: metrics)
        desk = AnswerDesk(
            maximum: settings.answer.maximumWaiting, patience: .seconds(60), pieces: settings.gateway.streamEvents, clock: clock)
        view = GraphView(hub: hub, desk: desk, metrics: metrics)
        rates = ClientRates(settings.gateway)
        let codes = AccessCodes(["first-code", "second-code"], maximumSessions: 8)
        let openAI = OpenAIResponder(settings, codes: codes, desk: desk, started: 1_700_000_000) { [weak self] messages in
            guard let self else { return }
            let now = time.withLock { time in
                time += 1
                return time
            }
            publish(messages(now))
        }
        let responder = GatewayResponder(
            settings, codes: codes, rates: rates, metrics: metrics, hub: hub, view: view,
            names: try LabelNames(in: directory, most: settings.gateway.maximumNames), openAI: openAI, clock: clock,
            publish: { [weak self] in self?.publish($0) })
        self.responder.withLock { $0 = responder }
    }

    private func publish(_ messages: [Outgoing]) {
        published.withLock { $0 += messages }
        let graph = graph.withLock { $0 }
        for message in messages { graph(self, message) }
    }

    func send(_ target: String, code: String? = "first-code") async throws -> HTTPReply { try await send(.GET, target, code: code) }

    func send(_ method: HTTPMethod, _ target: String, code: String? = "first-code", _ body: [UInt8] = []) async throws -> HTTPReply {
        let headers: HTTPHeaders = code.map { ["Authorization": "Bearer \($0)"] } ?? [:]
        let responder = try #require(responder.withLock { $0 })
        let request = HTTPRequest(method: method, target: target, headers: headers, body: body, client: "1.2.3.4")
        switch responder.admit(request) {
        case .refused(let reply): return reply
        case .accepted(let respond): return await respond(request)
        }
    }
}
