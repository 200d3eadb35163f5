import CZeroMQ
import Foundation
import Glibc

/// Takes messages from sockets as soon as they are there, on a thread of its own, and hands them to a channel in
/// batches. It never waits for the channel: while that is full it leaves messages where they are, in ZeroMQ's queues.
final class Receiver {
    private let sockets: [Socket]
    private let channel: MessageChannel
    private let wakeup: Wakeup
    private let limits: Limits
    private var items: [zmq_pollitem_t]

    /// A batch is closed when it has this many messages or bytes.
    private static let batchMessages = 256
    private static let batchBytes = 512 << 10

    /// How often sockets are serviced while the channel is full, milliseconds.
    private static let servicePeriod = 50

    private init(sockets: [Socket], channel: MessageChannel, wakeup: Wakeup, limits: Limits) {
        self.sockets = sockets
        self.channel = channel
        self.wakeup = wakeup
        self.limits = limits
        items = [zmq_pollitem_t(socket: nil, fd: wakeup.descriptor, events: Int16(ZMQ_POLLIN), revents: 0)]
        for socket in sockets {
            items.append(zmq_pollitem_t(socket: socket.pointer, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
        }
    }

    /// Runs until the channel ends; `wakeup` tells of that, and of new room in the channel.
    static func start(_ sockets: sending [Socket], into channel: MessageChannel, wakeup: Wakeup, limits: Limits) {
        let receiver = Receiver(sockets: sockets, channel: channel, wakeup: wakeup, limits: limits)
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
            } else {
                poll(items: items.count, milliseconds: -1)
                for index in sockets.indices where items[index + 1].revents != 0 { drain(sockets[index]) }
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
    private func drain(_ socket: Socket) {
        let batch = MessageBatch()
        receiving: while batch.count < Self.batchMessages, batch.byteCount < Self.batchBytes {
            switch batch.receive(from: socket, limits: limits) {
            case .message: continue
            case .nothing: break receiving
            case .refused(let reason): channel.count(reason)
            }
        }
        if batch.count > 0 { channel.append(batch) }
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
