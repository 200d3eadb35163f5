import Statistics
import Synchronization

/// What happens when messages arrive faster than they are taken.
public enum Overflow: String, Sendable, Codable {
    /// The sender waits: nothing is lost.
    case backpressure
    /// The oldest messages are dropped and counted: what is read is recent.
    case dropOldest
}

/// A queue of batches from a receiver to one consumer, bounded in messages and in bytes.
public final class MessageChannel: Sendable {
    private struct State {
        var batches: [MessageBatch] = []
        var first = 0
        var messages = 0
        var bytes = 0
        var consumer: CheckedContinuation<MessageBatch?, Never>?
        var ended = false
        /// Whether the receiver leaves the consumer to take messages itself for a while.
        var receiverRests = false
        var refusals: [Reason: UInt64] = [:]
        /// What waits of each source; empty where nothing is dropped.
        var held: [Flow?: Held] = [:]

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
            if !held.isEmpty { for (flow, bytes) in batch.contents { release(flow, bytes) } }
            return batch
        }

        mutating func add(_ batch: MessageBatch) {
            batches.append(batch)
            messages += batch.count
            bytes += batch.byteCount
        }

        mutating func release(_ flow: Flow?, _ bytes: Int) {
            guard var rest = held[flow] else { return }
            rest.messages -= 1
            rest.bytes -= bytes
            held[flow] = rest.messages > 0 ? rest : nil
        }
    }

    /// What waits of one source.
    private struct Held {
        var messages = 0
        var bytes = 0
    }

    private let state = Mutex(State())
    private let limits: Limits
    private let overflow: Overflow
    private let roomAgain: @Sendable () -> Void

    /// - Parameter roomAgain: called when the consumer has made room in a full channel, has ended it, or begins to wait while the receiver
    ///   rests.
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

    /// Whether the oldest messages are dropped for new ones.
    var dropsOldest: Bool { overflow == .dropOldest }

    /// Whether `end` was called.
    public var isEnded: Bool { state.withLock { $0.ended } }

    /// Hands over a message made in this process. False when the channel is full.
    public func deliver(topic: String, header: [UInt8], payload: [Payload]) -> Bool {
        guard !isFull else { return false }
        let batch = MessageBatch(limits: limits)
        batch.append(topic: topic, header: header, payload: payload)
        append(batch)
        return true
    }

    /// Appends a batch, even when full; the caller checks `isFull` before it takes more from its source.
    func append(_ batch: MessageBatch) {
        let consumer = state.withLock { state -> CheckedContinuation<MessageBatch?, Never>? in
            guard !state.ended else { return nil }
            if let consumer = state.consumer {
                state.consumer = nil
                return consumer
            }
            if overflow == .dropOldest { addInItsPlace(batch, to: &state) } else { state.add(batch) }
            return nil
        }
        consumer?.resume(returning: batch)
    }

    /// True where the consumer is running: the receiver may leave the next messages to it. `roomAgain` is called when the consumer begins
    /// to wait.
    func beginRest() -> Bool {
        state.withLock { state in
            state.receiverRests = state.consumer == nil && !state.ended
            return state.receiverRests
        }
    }

    /// Whether the consumer is still running.
    func endRest() -> Bool {
        state.withLock { state in
            state.receiverRests = false
            return state.consumer == nil && !state.ended
        }
    }

    func count(_ reason: Reason, _ number: UInt64 = 1) {
        state.withLock { $0.refusals[reason, default: 0] += number }
    }

    private func isOver(_ state: State) -> Bool {
        state.messages >= limits.waitingMessages || state.bytes >= limits.waitingBytes
    }

    /// The newest batch's own bytes are not counted: a large message must not drive out all that wait.
    private func addInItsPlace(_ batch: MessageBatch, to state: inout State) {
        for (flow, _) in batch.contents { state.held[flow, default: Held()].messages += 1 }
        let bytes = level(of: state.held.values.map(\.bytes), within: limits.waitingBytes)
        drop(from: &state) { _, held in held.bytes > bytes && held.messages > 1 }
        drop(from: &state) { state, _ in state.bytes > limits.waitingBytes }
        state.add(batch)
        for (flow, bytes) in batch.contents { state.held[flow]?.bytes += bytes }
        let messages = level(of: state.held.values.map(\.messages), within: limits.waitingMessages)
        drop(from: &state) { _, held in held.messages > messages }
        drop(from: &state) { state, _ in state.messages > limits.waitingMessages }
    }

    /// Removes messages, the oldest first, as long as there are too many of them or their source holds too much.
    private func drop(from state: inout State, where isTooMuch: (State, Held) -> Bool) {
        guard state.held.values.contains(where: { isTooMuch(state, $0) }) else { return }
        for batch in state.batches[state.first...] {
            batch.remove { flow, bytes in
                guard let held = state.held[flow], isTooMuch(state, held) else { return false }
                state.release(flow, bytes)
                state.messages -= 1
                state.bytes -= bytes
                state.refusals[.overflow, default: 0] += 1
                return true
            }
        }
        state.batches = state.batches[state.first...].filter { $0.count > 0 }
        state.first = 0
    }

    /// The most that one source may hold so that all have room: everything where it is the only one; else its share at most, and less where
    /// many sources hold much.
    private func level(of holdings: [Int], within limit: Int) -> Int {
        guard holdings.count > 1 else { return limit }
        let share = max(1, Int(clamping: Double(limit) * limits.sourceShare))
        var rest = limit
        for (index, held) in holdings.sorted().enumerated() {
            let equal = rest / (holdings.count - index)
            if held > equal { return min(share, max(1, equal)) }
            rest -= held
        }
        return share
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

    /// The next batch if one is waiting, without suspending.
    func takeIfReady() -> MessageBatch? {
        if case .batch(let batch) = take(orWait: nil) { return batch }
        return nil
    }

    /// Ends the channel: waiting batches are discarded and a waiting consumer gets nil.
    public func end() {
        let consumer = state.withLock { state in
            state.ended = true
            state.batches = []
            state.held = [:]
            (state.first, state.messages, state.bytes) = (0, 0, 0)
            defer { state.consumer = nil }
            return state.consumer
        }
        consumer?.resume(returning: nil)
        roomAgain()
    }

    /// The number of messages refused or dropped before the consumer, by reason, since the channel was created.
    var refusals: [Reason: UInt64] { state.withLock { $0.refusals } }

    private enum Taken {
        case batch(MessageBatch), ended, waiting
    }

    private func take(orWait consumer: CheckedContinuation<MessageBatch?, Never>?) -> Taken {
        var isNews = false
        let taken = state.withLock { state -> Taken in
            if state.ended { return .ended }
            guard !state.isEmpty else {
                guard let consumer else { return .waiting }
                precondition(state.consumer == nil, "a channel has one consumer")
                state.consumer = consumer
                isNews = state.receiverRests
                state.receiverRests = false
                return .waiting
            }
            let wasOver = isOver(state)
            let batch = state.removeFirst()
            isNews = !dropsOldest && wasOver && !isOver(state)
            return .batch(batch)
        }
        if isNews { roomAgain() }
        return taken
    }
}
