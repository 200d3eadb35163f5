import Logging
import Messaging
import Pipeline
import Schema
import Statistics

/// Publishes to ingest as any outside publisher does. Where no ingest runs, ZeroMQ keeps what fits in its queue and connects again.
actor GraphLink {
    private let publisher: any Publisher
    private var outbox: Outbox
    private let metrics: GatewayMetrics
    private var newest: Int64 = 0

    /// - Parameter epoch: greater after each restart.
    init(to endpoints: [Endpoint], limits: Limits, epoch: UInt64, on bus: some Bus, metrics: GatewayMetrics) throws(MessagingError) {
        var options = PublisherOptions()
        options.limits = limits
        publisher = try bus.publisher(.connect, endpoints, options: options)
        outbox = Outbox(source: "gateway", epoch: epoch, clock: MonotonicClock())
        self.metrics = metrics
    }

    /// Publishes messages. What cannot be sent is counted.
    func publish(_ messages: [Outgoing]) {
        do { try publisher.service() } catch { metrics.refused("unsent") }
        for message in messages {
            do {
                try outbox.append(message)
                try outbox.flush(to: publisher)
                metrics.published(String(message.topic.prefix { $0 != "." && $0 != "/" }))
            } catch {
                metrics.refused("unsent")
            }
        }
    }

    /// Publishes messages that are stamped with a time later than that of any before, in nanoseconds since 1970.
    func publish(_ messages: @Sendable (_ time: Int64) -> [Outgoing]) {
        newest = max(WallClock().now.nanoseconds, newest.clampedAdding(1))
        publish(messages(newest))
    }

    /// Notes new subscribers; to be called a few times a second.
    func service() { publish([]) }

    /// Whether ingest is connected.
    var isHeard: Bool { publisher.subscriberCount(of: "sensor.text.gateway/") > 0 }

    func close() { publisher.close() }
}
