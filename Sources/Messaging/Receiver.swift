import CConnections
import CZeroMQ
import Foundation
import Glibc
import Synchronization

/// Receives messages from sockets, in batches, on two threads that take turns.
///
/// A running consumer takes its messages from the sockets itself: between two threads each batch would cost a wake-up. While
/// it waits, or is busy, the receiver's own thread takes them and appends them to the channel. That thread never waits for the channel:
/// while it is full, messages stay in ZeroMQ's queues.
final class Receiver: Sendable {
    /// A socket, and the monitor of the connections made to it, if it is bound, or of its own that are refused, if it connects with a key.
    struct Source {
        let socket: Socket
        let unfinished: UnfinishedMessages?
        let refused: Socket?
    }

    /// Nil when the sockets are closed.
    private let intake: Mutex<Intake?>
    private let channel: MessageChannel
    private let wakeup: Wakeup
    /// Readable when ZeroMQ has an event for a socket, until the owner of the intake reads it.
    private let sockets: [Int32]
    private let monitors: [Int32]

    /// How often sockets are serviced while the channel is full, milliseconds.
    private static let servicePeriod = 50

    /// How long a running consumer is left to take messages itself, milliseconds.
    private static let restPeriod = 1

    /// Starts receiving, until the channel ends.
    /// - Parameter wakeup: signalled when the channel ends, when it has room again, and when the consumer begins to wait.
    init(_ sources: sending [Source], into channel: MessageChannel, wakeup: Wakeup, limits: Limits) throws(MessagingError) {
        var sockets: [Int32] = [], monitors: [Int32] = []
        for source in sources {
            sockets.append(try source.socket.newsDescriptor())
            for monitor in [source.unfinished?.events, source.refused].compactMap(\.self) { monitors.append(try monitor.newsDescriptor()) }
        }
        (self.sockets, self.monitors) = (sockets, monitors)
        self.channel = channel
        self.wakeup = wakeup
        intake = Mutex(Intake(sources, channel: channel, limits: limits))
        let thread = Thread { self.run() }
        thread.name = "receiver"
        thread.start()
    }

    // MARK: The consumer's thread

    /// The next batch: from the channel, else from the sockets.
    /// - Parameter patience: how long to wait for a message, microseconds.
    func take(waiting patience: Int = 0) -> MessageBatch? {
        if let batch = channel.takeIfReady() { return batch }
        if !intake.withLock({ $0?.hasMore ?? false }), !wait(for: sockets, microseconds: patience) { return nil }
        // If the other thread has the intake, it appends the messages to the channel.
        let batch = intake.withLockIfAvailable { intake -> MessageBatch? in
            if let batch = channel.takeIfReady() { return batch }
            return channel.isEnded ? nil : intake?.next()
        }
        return batch ?? nil
    }

    /// Answers a peer. Sending may take the socket's events, so the receiver's thread looks whether something has come.
    func answer(_ peer: Peer, _ parts: [[UInt8]]) {
        intake.withLock { $0?.answer(peer, parts) }
        wakeup.signal()
    }

    /// Sends a message to the endpoint that is asked.
    func ask(_ parts: [[UInt8]]) {
        intake.withLock { $0?.ask(parts) }
        wakeup.signal()
    }

    // MARK: The receiver's thread

    private func run() {
        var isWatching = false, hasMore = true
        while !channel.isEnded {
            if channel.isFull {
                wait(for: [wakeup.descriptor], microseconds: Self.servicePeriod * 1_000)
                wakeup.clear()
                intake.withLock { $0?.service() }
                hasMore = true
                continue
            }
            if !hasMore {
                wait(for: [wakeup.descriptor] + sockets + monitors, microseconds: isWatching ? UnfinishedMessages.period * 1_000 : -1)
            }
            var isConsumerAwake = channel.beginRest()
            if isConsumerAwake {
                wait(for: [wakeup.descriptor], microseconds: Self.restPeriod * 1_000)
                isConsumerAwake = channel.endRest()
            }
            wakeup.clear()
            // Where the consumer has the intake, it is about to take the messages.
            hasMore = true
            intake.withLockIfAvailable { intake in
                guard let intake else { return }
                intake.look(whileConsumerIsAwake: isConsumerAwake)
                (hasMore, isWatching) = (intake.hasMore, intake.isWatching)
            }
        }
        intake.withLock { $0 = nil }
    }

    /// Waits until one of the descriptors is readable, at most for this time; below zero: without a limit.
    @discardableResult
    private func wait(for descriptors: [Int32], microseconds: Int) -> Bool {
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: descriptors.count) { items in
            for (index, descriptor) in descriptors.enumerated() {
                items.initializeElement(at: index, to: pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
            }
            return poll_for_microseconds(items.baseAddress, UInt32(descriptors.count), Int64(microseconds)) > 0
        }
    }
}

/// The sockets of a receiver. One thread at a time has access to them.
private final class Intake {
    private let sources: [Receiver.Source]
    private let channel: MessageChannel
    private let limits: Limits
    /// By socket, whether it may hold messages that its descriptor does not signal.
    private var mayHaveMore: [Bool]
    /// The socket whose turn it is.
    private var turn = 0
    /// A batch that has stayed empty.
    private var spare: MessageBatch?
    /// Whether the consumer has taken messages since the last `look`.
    private var consumerHasCome = false

    /// A batch is closed when it has this many messages or bytes.
    private static let batchMessages = 256
    private static let batchBytes = 512 << 10

    /// Batches that one `look` takes from each socket.
    private static let batchesPerLook = 4

    init(_ sources: [Receiver.Source], channel: MessageChannel, limits: Limits) {
        self.sources = sources
        self.channel = channel
        self.limits = limits
        mayHaveMore = sources.map { _ in true }
    }

    /// Whether there may be messages that no descriptor signals.
    var hasMore: Bool { mayHaveMore.contains(true) }

    /// Whether there are connections that are watched.
    var isWatching: Bool { sources.contains { $0.unfinished?.isEmpty == false } }

    /// For the consumer: the next batch of the sockets, which take turns; nil when there is nothing.
    func next() -> MessageBatch? {
        consumerHasCome = true
        for _ in sources.indices {
            let index = turn
            turn = (turn + 1) % sources.count
            if let batch = drain(index) { return batch }
        }
        return nil
    }

    /// Appends waiting messages to the channel, as far as it has room, and checks the connections.
    ///
    /// A running consumer that takes messages itself is left to do so, unless it cannot keep up and the oldest are to be dropped.
    func look(whileConsumerIsAwake isAwake: Bool) {
        let isLeftAlone = isAwake && consumerHasCome && !(hasMore && channel.dropsOldest)
        consumerHasCome = false
        for source in sources {
            source.unfinished?.noteArrivals()
            while let refused = source.refused, refused.nextEventValue() != nil { channel.count(.notAdmitted) }
            if let gate = source.socket.gate, let count = source.unfinished?.dropRevoked(by: gate), count > 0 {
                channel.count(.notAdmitted, UInt64(count))
            }
        }
        if !isLeftAlone { handOver() }
        for (index, source) in sources.enumerated() {
            let cuts = source.unfinished?.check(isDrained: !isLeftAlone && !mayHaveMore[index]) ?? 0
            if cuts > 0 { channel.count(.oversize, UInt64(cuts)) }
        }
    }

    private func handOver() {
        for round in 1...Self.batchesPerLook {
            for index in sources.indices where (round == 1 || mayHaveMore[index]) && !channel.isFull {
                if let batch = drain(index) { channel.append(batch) }
            }
            if !hasMore || channel.isFull { break }
        }
    }

    /// Lets sockets process their peers' connections while nothing is taken from them.
    func service() {
        for (index, source) in sources.enumerated() {
            source.socket.service()
            mayHaveMore[index] = true
            source.unfinished?.noteArrivals()
            source.unfinished?.settle()
        }
    }

    func answer(_ peer: Peer, _ parts: [[UInt8]]) {
        guard sources.indices.contains(peer.socket), sources[peer.socket].socket.routes else { return }
        sources[peer.socket].socket.send(parts, to: peer)
        mayHaveMore[peer.socket] = true
    }

    func ask(_ parts: [[UInt8]]) {
        guard let index = sources.firstIndex(where: \.socket.asks) else { return }
        sources[index].socket.send(parts)
        mayHaveMore[index] = true
    }

    /// Takes one batch at most, so that sockets take turns.
    private func drain(_ index: Int) -> MessageBatch? {
        let batch = spare ?? MessageBatch(limits: limits)
        spare = nil
        let receipt = batch.fill(
            from: sources[index].socket, number: index, upTo: Self.batchMessages, bytes: Self.batchBytes,
            watchedBy: sources[index].unfinished, hasFlows: channel.dropsOldest)
        for reason in receipt.refused { channel.count(reason) }
        mayHaveMore[index] = !receipt.isDrained
        if batch.count > 0 { return batch }
        spare = batch
        return nil
    }
}
