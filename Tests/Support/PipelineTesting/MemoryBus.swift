import Messaging
import Synchronization

/// A bus in memory: a message published on an endpoint is delivered to its subscribers immediately and in order, except for the
/// configured faults.
public final class MemoryBus: Bus {
    fileprivate struct Sent {
        let topic: String
        let header: [UInt8]
        let payload: [Payload]
    }

    private struct Listener {
        let subscriptions: [Subscription]
        let channel: MessageChannel
        var faults: FaultInjector<Sent>

        func isSubscribed(to topic: String, from endpoints: [Endpoint]) -> Bool {
            subscriptions.contains { subscription in
                subscription.topics.contains(where: topic.hasPrefix)
                    && subscription.endpoints.contains(where: endpoints.contains)
            }
        }
    }

    private let listeners = Mutex<[Listener]>([])
    private let faults: Faults

    public init(faults: Faults = Faults()) { self.faults = faults }

    public func publisher(
        _ attachment: Subscription.Attachment, _ endpoints: [Endpoint], options: PublisherOptions = PublisherOptions()
    ) -> any Publisher {
        MemoryPublisher(bus: self, endpoints: endpoints, keepsLast: options.keepsLast)
    }

    public func subscriber(
        to subscriptions: [Subscription], limits: Limits = Limits(), overflow: Overflow = .backpressure
    ) -> Subscriber {
        let channel = MessageChannel(limits: limits, overflow: overflow)
        listeners.withLock {
            $0.append(Listener(subscriptions: subscriptions, channel: channel, faults: FaultInjector(faults)))
        }
        return Subscriber(channel)
    }

    public func end() async {}

    /// The number of subscriptions so far.
    fileprivate var listenerCount: Int { listeners.withLock { $0.count } }

    fileprivate func count(of topic: String, on endpoints: [Endpoint]) -> Int {
        listeners.withLock { $0.count { !$0.channel.isEnded && $0.isSubscribed(to: topic, from: endpoints) } }
    }

    /// Delivers a message; returns false, without delivering to anyone, if a subscriber's queue is full.
    fileprivate func send(_ message: Sent, from endpoints: [Endpoint], toListenersFrom first: Int = 0) -> Bool {
        listeners.withLock { listeners in
            let hearing = listeners.indices.dropFirst(first).filter { listeners[$0].isSubscribed(to: message.topic, from: endpoints) }
            guard hearing.allSatisfy({ !listeners[$0].channel.isFull }) else { return false }
            for index in hearing {
                for message in listeners[index].faults.pass(message) {
                    _ = listeners[index].channel.deliver(
                        topic: message.topic, header: message.header, payload: message.payload)
                }
            }
            return true
        }
    }
}

private final class MemoryPublisher: Publisher {
    let endpoints: [Endpoint]
    private let bus: MemoryBus
    private let keepsLast: [String]
    private var kept: [String: MemoryBus.Sent] = [:]
    private var served = 0

    init(bus: MemoryBus, endpoints: [Endpoint], keepsLast: [String]) {
        self.bus = bus
        self.endpoints = endpoints
        self.keepsLast = keepsLast
    }

    func publish(_ topic: String, header: [UInt8], payload: [Payload]) -> Bool {
        let message = MemoryBus.Sent(topic: topic, header: header, payload: payload)
        guard bus.send(message, from: endpoints) else { return false }
        if keepsLast.contains(where: topic.hasPrefix) { kept[topic] = message }
        return true
    }

    func service() {
        let newest = bus.listenerCount
        for message in kept.values where newest > served {
            _ = bus.send(message, from: endpoints, toListenersFrom: served)
        }
        served = newest
    }

    func subscriberCount(of topic: String) -> Int { bus.count(of: topic, on: endpoints) }

    func close() { kept = [:] }
}
