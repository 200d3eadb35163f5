import Synchronization

/// What happens when messages come faster than they are taken.
public enum Overflow: String, Sendable, Codable {
    /// The sender waits: nothing is lost.
    case backpressure
    /// The oldest are dropped and counted: what is read is fresh.
    case dropOldest
}

/// Batches on their way from a receiver to one consumer, bounded in messages and in bytes.
public final class MessageChannel: Sendable {
    private struct State {
        var batches: [MessageBatch] = []
        var first = 0
        var messages = 0
        var bytes = 0
        var consumer: CheckedContinuation<MessageBatch?, Never>?
        var ended = false
        var refusals: [Reason: UInt64] = [:]

        var isEmpty: Bool { first == batches.count }

        mutating func removeFirst() -> MessageBatch {
            let batch = batches[first]
            first += 1
            if first == batches.count || first >= 64 {
                batches.removeFirst(first)
                first = 0
            }
            messages -= batch.count
            bytes -= batch.byteCount
            return batch
        }
    }

    private let state = Mutex(State())
    private let limits: Limits
    private let overflow: Overflow
    private let roomAgain: @Sendable () -> Void

    /// `roomAgain` is called when a consumer has made room in a full channel, or has ended it.
    public init(limits: Limits, overflow: Overflow, roomAgain: @escaping @Sendable () -> Void = {}) {
        self.limits = limits
        self.overflow = overflow
        self.roomAgain = roomAgain
    }

    // MARK: The receiver's side

    /// Whether the receiver has to wait. Never where the oldest are dropped.
    public var isFull: Bool {
        overflow == .backpressure && state.withLock { isOver($0) }
    }

    public var isEnded: Bool { state.withLock { $0.ended } }

    /// Hands over a message made in this process. False when the channel is full.
    public func deliver(topic: String, header: [UInt8], payload: [Payload]) -> Bool {
        guard !isFull else { return false }
        let batch = MessageBatch()
        batch.append(topic: topic, header: header, payload: payload)
        append(batch)
        return true
    }

    /// Appends a batch, even when full; the caller asks `isFull` before it takes more from its source.
    func append(_ batch: MessageBatch) {
        let consumer = state.withLock { state -> CheckedContinuation<MessageBatch?, Never>? in
            guard !state.ended else { return nil }
            if let consumer = state.consumer {
                state.consumer = nil
                return consumer
            }
            if overflow == .dropOldest { makeRoom(for: batch, in: &state) }
            state.batches.append(batch)
            state.messages += batch.count
            state.bytes += batch.byteCount
            return nil
        }
        consumer?.resume(returning: batch)
    }

    func count(_ reason: Reason, _ number: UInt64 = 1) {
        state.withLock { $0.refusals[reason, default: 0] += number }
    }

    private func isOver(_ state: State) -> Bool {
        state.messages >= limits.waitingMessages || state.bytes >= limits.waitingBytes
    }

    /// The newest batch's own bytes are not counted: a large message must not drive out all that wait.
    private func makeRoom(for batch: MessageBatch, in state: inout State) {
        while !state.isEmpty,
            state.messages + batch.count > limits.waitingMessages || state.bytes > limits.waitingBytes
        {
            let dropped = state.removeFirst()
            state.refusals[.overflow, default: 0] += UInt64(dropped.count)
        }
    }

    // MARK: The consumer's side

    /// The next batch, or nil when the channel has ended.
    func next(isolation: isolated (any Actor)? = #isolation) async -> MessageBatch? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                switch take(orWait: continuation) {
                case .batch(let batch): continuation.resume(returning: batch)
                case .ended: continuation.resume(returning: nil)
                case .waiting: break
                }
            }
        } onCancel: {
            end()
        }
    }

    /// What is there now.
    func takeIfReady() -> MessageBatch? {
        if case .batch(let batch) = take(orWait: nil) { return batch }
        return nil
    }

    /// No more is delivered; what waits is discarded and a waiting consumer gets nil.
    public func end() {
        let consumer = state.withLock { state in
            state.ended = true
            state.batches = []
            (state.first, state.messages, state.bytes) = (0, 0, 0)
            defer { state.consumer = nil }
            return state.consumer
        }
        consumer?.resume(returning: nil)
        roomAgain()
    }

    /// What was refused or dropped on the way, by reason, since the channel began.
    var refusals: [Reason: UInt64] { state.withLock { $0.refusals } }

    private enum Taken {
        case batch(MessageBatch), ended, waiting
    }

    private func take(orWait consumer: CheckedContinuation<MessageBatch?, Never>?) -> Taken {
        var hasRoomAgain = false
        let taken = state.withLock { state -> Taken in
            if state.ended { return .ended }
            guard !state.isEmpty else {
                precondition(consumer == nil || state.consumer == nil, "a channel has one consumer")
                state.consumer = consumer
                return .waiting
            }
            let wasOver = isOver(state)
            let batch = state.removeFirst()
            hasRoomAgain = overflow == .backpressure && wasOver && !isOver(state)
            return .batch(batch)
        }
        if hasRoomAgain { roomAgain() }
        return taken
    }
}
