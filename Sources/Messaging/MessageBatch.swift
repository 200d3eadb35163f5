import CZeroMQ

/// Messages received together. One thread at a time fills a batch and hands it over; it does not change afterwards, which is why
/// it is Sendable. A channel may remove messages from a waiting batch, under the channel's lock.
///
/// ZeroMQ keeps messages of up to 33 bytes inside `zmq_msg_t` itself, so the parts of a message that is whole never move:
/// they lie side by side in blocks that are allocated as the batch grows.
public final class MessageBatch: @unchecked Sendable {
    private struct Message {
        let parts: UnsafeMutablePointer<zmq_msg_t>
        let count: Int
        let bytes: Int
        let flow: Flow?
        /// The owner of the key with which it was sent; nil where it came without one.
        let sender: Sender?
        let peer: Peer?

        func close() { for index in 0..<count { zmq_msg_close(parts + index) } }
    }

    // Only the thread that fills it has access, and later nothing changes. Checking each access would cost a tenth of the time of a
    // small message.
    @exclusivity(unchecked) private var slots = Slots()
    @exclusivity(unchecked) private var messages: [Message] = []
    let limits: Limits

    /// All parts together, bytes.
    @exclusivity(unchecked) public private(set) var byteCount = 0

    /// - Parameter limits: the bounds of its messages, applied when they are decoded.
    public init(limits: Limits = Limits()) { self.limits = limits }

    /// The number of messages.
    public var count: Int { messages.count }

    /// The message at an index below `count`.
    public subscript(index: Int) -> WireMessage {
        let message = messages[index]
        return WireMessage(batch: self, parts: message.parts, count: message.count, sender: message.sender, peer: message.peer)
    }

    deinit {
        for message in messages { message.close() }
        slots.deallocate()
    }

    // MARK: Filling

    /// The result of taking messages from a socket.
    struct Receipt {
        /// Whether there were no more.
        var isDrained = false
        var refused: [Reason] = []
    }

    /// Takes messages from the socket, without waiting, until there are none or the batch is full.
    /// - Parameters:
    ///   - number: of the socket, among those of a receiver.
    ///   - messages, bytes: the batch is full when it has this many.
    ///   - watch: is notified of the connection of each message, where it is not nil.
    ///   - hasFlows: whether the flow of each message is recorded.
    func fill(
        from socket: Socket, number: Int = 0, upTo messages: Int, bytes: Int, watchedBy watch: UnfinishedMessages?, hasFlows: Bool
    ) -> Receipt {
        var receipt = Receipt()
        let gate = socket.gate
        while count + receipt.refused.count < messages, byteCount < bytes {
            var connection: Int32? = watch == nil ? nil : -1
            var key: String?, name: [UInt8]? = socket.routes ? [] : nil
            switch receive(from: socket.pointer, over: &connection, named: &name, from: &key, hasKeys: gate != nil) {
            case .nothing:
                receipt.isDrained = true
                return receipt
            case .refused(let reason): receipt.refused.append(reason)
            case .parts(let count, let bytes):
                var sender: Sender?
                if let gate, let key {
                    do throws(Refusal) {
                        sender = try gate.sender(key, bytes: bytes, over: connection, watchedBy: watch)
                    } catch {
                        slots.empty(count)
                        receipt.refused.append(error.reason)
                        break
                    }
                }
                close(
                    count, bytes: bytes, flow: hasFlows ? .some(connection) : nil, sender: sender,
                    peer: name.map { Peer($0, socket: number) })
            }
            if let watch, let connection, connection >= 0 { watch.noteMessage(on: connection) }
        }
        return receipt
    }

    private enum Taken {
        case parts(Int, bytes: Int), nothing
        case refused(Reason)
    }

    /// Takes the next message's parts into the slots; none where it is refused.
    /// - Parameters:
    ///   - connection: where it is not nil, becomes the descriptor of the connection on which the message arrived.
    ///   - name: where it is not nil, the first part names the sender.
    ///   - key: becomes the key of its sender, where senders have one.
    private func receive(
        from socket: UnsafeMutableRawPointer, over connection: inout Int32?, named name: inout [UInt8]?, from key: inout String?,
        hasKeys: Bool
    ) -> Taken {
        if name != nil {
            let part = slots.slot(0), size = Int(zmq_msg_recv(part, socket, ZMQ_DONTWAIT))
            defer { slots.empty(1) }
            guard size >= 0 else { return .nothing }
            name = Array(UnsafeRawBufferPointer(start: zmq_msg_data(part), count: size))
            guard zmq_msg_more(part) != 0 else { return .refused(.tooFewParts) }
        }
        var index = 0
        var bytes = 0
        var refusal: Reason?
        var more = false
        repeat {
            // The parts of a message that is refused already are not kept.
            let part = slots.slot(refusal == nil ? index : 0)
            let size = Int(zmq_msg_recv(part, socket, ZMQ_DONTWAIT))
            guard size >= 0 else {
                slots.empty(refusal == nil ? index + 1 : 1)
                return .nothing
            }
            if index == 0, connection != nil { connection = zmq_msg_get(part, ZMQ_SRCFD) }
            if index == 0, hasKeys { key = part.pointee.user }
            more = zmq_msg_more(part) != 0
            if refusal != nil {
                slots.empty(1)
            } else if size > limits.bound(ofPart: index) || index >= limits.parts {
                refusal = size > limits.bound(ofPart: index) ? .oversize : .tooManyParts
                slots.empty(index + 1)
            } else {
                bytes += size
            }
            index += 1
        } while more
        if let refusal { return .refused(refusal) }
        guard index >= 2 else {
            slots.empty(index)
            return .refused(.tooFewParts)
        }
        return .parts(index, bytes: bytes)
    }

    /// Appends a message made in this process; only before the batch is handed over.
    public func append(topic: String, header: [UInt8], payload: [Payload], from peer: Peer? = nil) {
        let bytes = topic.utf8.count + header.count + payload.reduce(0) { $0 + $1.count }
        topic.withBytes { slots.slot(0).fill(with: $0) }
        header.withUnsafeBytes { slots.slot(1).fill(with: $0) }
        for (index, part) in payload.enumerated() { part.fill(slots.slot(2 + index)) }
        close(2 + payload.count, bytes: bytes, flow: .some(nil), peer: peer)
    }

    /// The message whose parts are in the slots is whole.
    /// - Parameter connection: that of its flow; without one, the flow is read from the message.
    private func close(_ count: Int, bytes: Int, flow connection: Int32??, sender: Sender? = nil, peer: Peer? = nil) {
        let parts = slots.keep(count)
        let flow = connection.map { connection in
            connection.map(Flow.init) ?? Flow(of: WireMessage(batch: self, parts: parts, count: count, sender: sender))
        }
        messages.append(Message(parts: parts, count: count, bytes: bytes, flow: flow, sender: sender, peer: peer))
        byteCount += bytes
    }

    // MARK: Waiting

    /// The flow of each message, and its bytes.
    var contents: [(flow: Flow?, bytes: Int)] { messages.map { ($0.flow, $0.bytes) } }

    /// Removes the messages for which `isDropped` returns true and frees their memory; only before the batch is handed over.
    func remove(where isDropped: (_ flow: Flow?, _ bytes: Int) -> Bool) {
        messages.removeAll { message in
            guard isDropped(message.flow, message.bytes) else { return false }
            message.close()
            byteCount -= message.bytes
            return true
        }
    }
}

/// Room for the parts of messages, each a ZeroMQ message. Those of the message that is being received lie side by side,
/// and may move until it is kept.
private struct Slots {
    private var blocks: [UnsafeMutablePointer<zmq_msg_t>] = []
    /// The first slot of the message that is being received, and how many are free from there on.
    private var next: UnsafeMutablePointer<zmq_msg_t>?
    private var room = 0

    private static let firstBlock = 32
    private static let laterBlocks = 256

    /// An empty slot for a part of the message that is being received; those before it are filled.
    mutating func slot(_ part: Int) -> UnsafeMutablePointer<zmq_msg_t> {
        guard part < room, let next else { return slotInNewBlock(part) }
        zmq_msg_init(next + part)
        return next + part
    }

    private mutating func slotInNewBlock(_ part: Int) -> UnsafeMutablePointer<zmq_msg_t> {
        let size = blocks.isEmpty ? Self.firstBlock : max(Self.laterBlocks, 2 * (part + 1))
        let block = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: size)
        if let next {
            for index in 0..<part {
                zmq_msg_init(block + index)
                zmq_msg_move(block + index, next + index)
            }
        }
        blocks.append(block)
        next = block
        room = size
        zmq_msg_init(block + part)
        return block + part
    }

    /// Empties the first `count` slots of the message that is being received.
    func empty(_ count: Int) {
        guard let next else { return }
        for index in 0..<count { zmq_msg_close(next + index) }
    }

    /// The message is whole: its first part. Its slots stay where they are.
    mutating func keep(_ count: Int) -> UnsafeMutablePointer<zmq_msg_t> {
        guard let parts = next else { preconditionFailure("a message without a part") }
        next = parts + count
        room -= count
        return parts
    }

    func deallocate() { for block in blocks { block.deallocate() } }
}

extension UnsafeMutablePointer<zmq_msg_t> {
    /// Makes it a message that holds a copy of these bytes.
    func fill(with bytes: UnsafeRawBufferPointer) {
        zmq_msg_init_size(self, bytes.count)
        if let start = bytes.baseAddress { zmq_msg_data(self).copyMemory(from: start, byteCount: bytes.count) }
    }
}

extension String {
    /// Calls with the text's UTF-8, which is copied only where the text does not keep it so.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) } ?? Array(utf8).withUnsafeBytes(body)
    }
}
