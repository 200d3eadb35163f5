import CZeroMQ
import Foundation
import Glibc

/// Takes messages from sockets as soon as they are there, on a thread of its own, and hands them to a channel in
/// batches. It never waits for the channel: while that is full it leaves messages where they are, in ZeroMQ's queues.
final class Receiver {
    /// A socket, and what watches the connections made to it, if any are.
    struct Source {
        let socket: Socket
        let unfinished: UnfinishedMessages?
    }

    private let sockets: [Socket]
    private let channel: MessageChannel
    private let wakeup: Wakeup
    private let limits: Limits
    /// By socket, of those to which publishers connect.
    private let unfinished: [UnfinishedMessages?]
    private var items: [zmq_pollitem_t]

    /// A batch is closed when it has this many messages or bytes.
    private static let batchMessages = 256
    private static let batchBytes = 512 << 10

    /// How often sockets are serviced while the channel is full, milliseconds.
    private static let servicePeriod = 50

    private init(sources: [Source], channel: MessageChannel, wakeup: Wakeup, limits: Limits) {
        self.sockets = sources.map(\.socket)
        self.channel = channel
        self.wakeup = wakeup
        self.limits = limits
        unfinished = sources.map(\.unfinished)
        items = [zmq_pollitem_t(socket: nil, fd: wakeup.descriptor, events: Int16(ZMQ_POLLIN), revents: 0)]
        for socket in sockets + unfinished.compactMap({ $0?.events }) {
            items.append(zmq_pollitem_t(socket: socket.pointer, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
        }
    }

    /// Runs until the channel ends; `wakeup` tells of that, and of new room in the channel.
    static func start(_ sources: sending [Source], into channel: MessageChannel, wakeup: Wakeup, limits: Limits) {
        let receiver = Receiver(sources: sources, channel: channel, wakeup: wakeup, limits: limits)
        let start = Handover(receiver)
        let thread = Thread { start.take().run() }
        thread.name = "receiver"
        thread.start()
    }

    private func run() {
        while !channel.isEnded {
            if channel.isFull {
                poll(items: 1, milliseconds: Self.servicePeriod)
                for socket in sockets { socket.service() }
                for watch in unfinished {
                    watch?.noteArrivals()
                    watch?.settle()
                }
            } else {
                let isWatching = unfinished.contains { $0?.isEmpty == false }
                poll(items: items.count, milliseconds: isWatching ? UnfinishedMessages.period : -1)
                for watch in unfinished { watch?.noteArrivals() }
                for index in sockets.indices {
                    let isDrained = items[index + 1].revents == 0 || drain(sockets[index], unfinished[index])
                    let cuts = unfinished[index]?.check(isDrained: isDrained) ?? 0
                    if cuts > 0 { channel.count(.oversize, UInt64(cuts)) }
                }
            }
            if items[0].revents != 0 { wakeup.clear() }
        }
    }

    private func poll(items count: Int, milliseconds: Int) {
        items.withUnsafeMutableBufferPointer { items in
            for index in items.indices { items[index].revents = 0 }
            zmq_poll(items.baseAddress, Int32(count), milliseconds)
        }
    }

    /// Takes one batch at most, so that sockets take turns.
    /// - Returns: whether that was all there is.
    private func drain(_ socket: Socket, _ unfinished: UnfinishedMessages?) -> Bool {
        let batch = MessageBatch(limits: limits)
        var isDrained = false
        var refused = 0
        while !isDrained, batch.count + refused < Self.batchMessages, batch.byteCount < Self.batchBytes {
            switch batch.receive(from: socket, hasFlows: channel.dropsOldest) {
            case .message: break
            case .nothing: isDrained = true
            case .refused(let reason):
                channel.count(reason)
                refused += 1
            }
            if !isDrained, batch.newestConnection >= 0 { unfinished?.noteMessage(on: batch.newestConnection) }
        }
        if batch.count > 0 { channel.append(batch) }
        return isDrained
    }

    /// Carries the receiver to its thread, once. Sendable because whoever made it gives it away.
    private final class Handover: @unchecked Sendable {
        private var receiver: Receiver?
        init(_ receiver: Receiver) { self.receiver = receiver }

        func take() -> Receiver {
            guard let receiver else { preconditionFailure("a receiver runs once") }
            self.receiver = nil
            return receiver
        }
    }
}
