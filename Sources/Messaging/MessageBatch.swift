import CZeroMQ

/// Messages received together. One thread fills it and hands it over; nobody changes it afterwards, which is why it
/// is Sendable.
///
/// ZeroMQ keeps messages of up to 33 bytes inside `zmq_msg_t` itself, so a received part never moves: parts live in
/// blocks that are allocated as the batch grows.
public final class MessageBatch: @unchecked Sendable {
    private var blocks: [UnsafeMutablePointer<zmq_msg_t>] = []
    private var starts: [Int] = []
    private var slots = 0

    /// All parts together, bytes.
    public private(set) var byteCount = 0

    public init() {}

    public var count: Int { starts.count }

    public subscript(index: Int) -> WireMessage {
        precondition(starts.indices.contains(index), "message \(index) of \(count)")
        let end = index + 1 < starts.count ? starts[index + 1] : slots
        return WireMessage(batch: self, slots: starts[index]..<end)
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

    /// Takes the next message from the socket, if there is one, without waiting.
    func receive(from socket: Socket, limits: Limits) -> Receipt {
        let start = slots
        var bytes = 0
        var refusal: Reason?
        var more = false
        repeat {
            let part = newSlot()
            let size = Int(zmq_msg_recv(part, socket.pointer, ZMQ_DONTWAIT))
            guard size >= 0 else {
                removeSlots(from: start)
                return .nothing
            }
            bytes += size
            more = zmq_msg_more(part) != 0
            if size > limits.frameBytes {
                refusal = .oversize
            } else if slots - start > limits.parts {
                refusal = refusal ?? .tooManyParts
            }
            // What is refused already is not kept.
            if refusal != nil { removeSlots(from: start) }
        } while more
        if refusal == nil, slots - start < 2 { refusal = .tooFewParts }
        if let refusal {
            removeSlots(from: start)
            return .refused(refusal)
        }
        close(messageFrom: start, bytes: bytes)
        return .message
    }

    /// Appends a message made in this process; only before the batch is handed over.
    public func append(topic: String, header: [UInt8], payload: [Payload]) {
        let start = slots
        let bytes = topic.utf8.count + header.count + payload.reduce(0) { $0 + $1.count }
        topic.utf8.withContiguousStorageIfAvailable { copy(UnsafeRawBufferPointer($0)) } ?? copy(Array(topic.utf8))
        copy(header)
        for part in payload { part.fill(newSlot()) }
        close(messageFrom: start, bytes: bytes)
    }

    private func copy(_ bytes: [UInt8]) { bytes.withUnsafeBytes { copy($0) } }

    private func copy(_ bytes: UnsafeRawBufferPointer) {
        let part = newSlot()
        zmq_msg_init_size(part, bytes.count)
        if let start = bytes.baseAddress { zmq_msg_data(part).copyMemory(from: start, byteCount: bytes.count) }
    }

    private func close(messageFrom start: Int, bytes: Int) {
        starts.append(start)
        byteCount += bytes
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
