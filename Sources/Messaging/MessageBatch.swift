import CZeroMQ
import Statistics

/// Messages received together. One thread fills it and hands it over; nobody changes it afterwards, which is why it
/// is Sendable. A channel may take messages out of it while it waits there, under the channel's lock.
///
/// ZeroMQ keeps messages of up to 33 bytes inside `zmq_msg_t` itself, so a received part never moves: parts live in
/// blocks that are allocated as the batch grows.
public final class MessageBatch: @unchecked Sendable {
    private struct Message {
        let slots: Range<Int>
        let bytes: Int
        let flow: Flow?
    }

    private var blocks: [UnsafeMutablePointer<zmq_msg_t>] = []
    private var messages: [Message] = []
    private var slots = 0
    let limits: Limits

    /// All parts together, bytes.
    public private(set) var byteCount = 0

    /// - Parameter limits: the bounds of its messages, for whoever decodes them.
    public init(limits: Limits = Limits()) { self.limits = limits }

    public var count: Int { messages.count }

    public subscript(index: Int) -> WireMessage {
        precondition(messages.indices.contains(index), "message \(index) of \(count)")
        return WireMessage(batch: self, slots: messages[index].slots)
    }

    deinit {
        for index in 0..<slots { zmq_msg_close(slot(index)) }
        for block in blocks { block.deallocate() }
    }

    // MARK: Filling

    /// What came of taking one message from a socket.
    enum Receipt: Equatable {
        case message, nothing
        case refused(Reason)
    }

    /// The descriptor of the connection on which the newest message came, taken or refused; -1 where it did not come from who has connected to us.
    private(set) var newestConnection: Int32 = -1

    /// Takes the next message from the socket, if there is one, without waiting.
    /// - Parameter hasFlows: whether it is to be known whose it is.
    func receive(from socket: Socket, hasFlows: Bool) -> Receipt {
        let start = slots
        var bytes = 0
        var refusal: Reason?
        var more = false
        var index = 0
        repeat {
            let part = newSlot()
            let size = Int(zmq_msg_recv(part, socket.pointer, ZMQ_DONTWAIT))
            guard size >= 0 else {
                removeSlots(from: start)
                return .nothing
            }
            if index == 0 { newestConnection = socket.isBound ? zmq_msg_get(part, ZMQ_SRCFD) : -1 }
            bytes = bytes.clampedAdding(size)
            more = zmq_msg_more(part) != 0
            if size > limits.bound(ofPart: index) {
                refusal = refusal ?? .oversize
            } else if index >= limits.parts {
                refusal = refusal ?? .tooManyParts
            }
            index += 1
            // What is refused already is not kept.
            if refusal != nil { removeSlots(from: start) }
        } while more
        if refusal == nil, index < 2 { refusal = .tooFewParts }
        if let refusal {
            removeSlots(from: start)
            return .refused(refusal)
        }
        let message = WireMessage(batch: self, slots: start..<slots)
        close(message, bytes: bytes, hasFlows ? newestConnection < 0 ? Flow(of: message) : Flow(connection: newestConnection) : nil)
        return .message
    }

    /// Appends a message made in this process; only before the batch is handed over.
    public func append(topic: String, header: [UInt8], payload: [Payload]) {
        let start = slots
        let bytes = topic.utf8.count + header.count + payload.reduce(0) { $0 + $1.count }
        topic.utf8.withContiguousStorageIfAvailable { copy(UnsafeRawBufferPointer($0)) } ?? copy(Array(topic.utf8))
        copy(header)
        for part in payload { part.fill(newSlot()) }
        let message = WireMessage(batch: self, slots: start..<slots)
        close(message, bytes: bytes, Flow(of: message))
    }

    private func copy(_ bytes: [UInt8]) { bytes.withUnsafeBytes { copy($0) } }

    private func copy(_ bytes: UnsafeRawBufferPointer) {
        let part = newSlot()
        zmq_msg_init_size(part, bytes.count)
        if let start = bytes.baseAddress { zmq_msg_data(part).copyMemory(from: start, byteCount: bytes.count) }
    }

    private func close(_ message: WireMessage, bytes: Int, _ flow: Flow?) {
        messages.append(Message(slots: message.slots, bytes: bytes, flow: flow))
        byteCount += bytes
    }

    // MARK: Waiting

    /// Whose its messages are, and how many bytes each has.
    var contents: [(flow: Flow?, bytes: Int)] { messages.map { ($0.flow, $0.bytes) } }

    /// Takes out the messages for which this says so; only before the batch is handed over. Their memory is given back.
    func remove(where isDropped: (_ flow: Flow?, _ bytes: Int) -> Bool) {
        messages.removeAll { message in
            guard isDropped(message.flow, message.bytes) else { return false }
            for index in message.slots {
                zmq_msg_close(slot(index))
                zmq_msg_init(slot(index))
            }
            byteCount -= message.bytes
            return true
        }
    }

    // MARK: Slots

    private static let firstBlock = 32
    private static let laterBlocks = 256

    func slot(_ index: Int) -> UnsafeMutablePointer<zmq_msg_t> {
        if index < Self.firstBlock { return blocks[0] + index }
        let later = index - Self.firstBlock
        return blocks[1 + later / Self.laterBlocks] + later % Self.laterBlocks
    }

    private func newSlot() -> UnsafeMutablePointer<zmq_msg_t> {
        let capacity = blocks.isEmpty ? 0 : Self.firstBlock + (blocks.count - 1) * Self.laterBlocks
        if slots == capacity { blocks.append(.allocate(capacity: blocks.isEmpty ? Self.firstBlock : Self.laterBlocks)) }
        slots += 1
        let part = slot(slots - 1)
        zmq_msg_init(part)
        return part
    }

    private func removeSlots(from start: Int) {
        for index in start..<slots { zmq_msg_close(slot(index)) }
        slots = start
    }
}
