import CZeroMQ
import Synchronization

/// A payload frame to be sent. Large ones are lent to ZeroMQ, not copied; the memory is given back when the last peer
/// has been served.
///
/// Sendable because the bytes do not change after `init`.
public final class Payload: @unchecked Sendable {
    public let count: Int
    private let start: UnsafeRawPointer?
    private let owner: Owner

    private enum Owner {
        case this
        case batch(MessageBatch)
        case payload(Payload)
    }

    /// `count` bytes that `fill` writes.
    public init<Failure: Error>(
        count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        self.count = count
        start = UnsafeRawPointer(memory.baseAddress)
        owner = .this
        try fill(memory)
    }

    /// A copy of these bytes.
    public convenience init(_ bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// A copy of these bytes.
    public convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Little-endian float32.
    public convenience init(_ values: [Float]) {
        self.init(count: values.count * MemoryLayout<Float>.size) { memory in
            values.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
    }

    /// A part received, passed on as it is. Its batch stays alive meanwhile, so a part that is little of its batch is copied.
    public init(_ part: MessagePart) {
        count = part.count
        if part.count >= part.batch.byteCount / Self.batchShare {
            start = part.bytes.baseAddress
            owner = .batch(part.batch)
        } else {
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 16)
            part.withUnsafeBytes { memory.copyMemory(from: $0) }
            start = UnsafeRawPointer(memory.baseAddress)
            owner = .this
        }
    }

    private static let batchShare = 4

    private init(_ range: Range<Int>, of whole: Payload) {
        count = range.count
        start = whole.start.map { $0 + range.lowerBound }
        owner = .payload(whole)
    }

    /// The same bytes as frames of at most `size` bytes, in order; at least one. Nothing is copied. No number of up to eight bytes that lies
    /// at a multiple of its size is cut in two.
    public func cut(into size: Int) -> [Payload] {
        precondition(size >= 8, "frames of \(size) bytes")
        guard count > size else { return [self] }
        let size = size / 8 * 8
        return stride(from: 0, to: count, by: size).map { Payload($0..<min(count, $0 + size), of: self) }
    }

    deinit {
        if case .this = owner { start?.deallocate() }
    }

    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result: Result
        do { result = try body(UnsafeRawBufferPointer(start: start, count: count)) } catch { throw error }
        withExtendedLifetime(self) {}
        return result
    }

    /// From this size on, bytes. Lending costs an allocation and a call back from ZeroMQ's thread.
    private static let lendingThreshold = 16 << 10

    /// Bytes lent to ZeroMQ that have not come back: they wait for some peer.
    final class Loans: Sendable {
        private let lent = Atomic(0)
        var bytes: Int { lent.load(ordering: .relaxed) }
        fileprivate func add(_ bytes: Int) { lent.wrappingAdd(bytes, ordering: .relaxed) }
    }

    /// What ZeroMQ gives back with the memory.
    private final class Loan {
        private let payload: Payload
        private let loans: Loans?

        init(_ payload: Payload, _ loans: Loans?) {
            (self.payload, self.loans) = (payload, loans)
            loans?.add(payload.count)
        }

        deinit { loans?.add(-payload.count) }
    }

    /// Makes `message` a part of ZeroMQ's that holds these bytes.
    func fill(_ message: UnsafeMutablePointer<zmq_msg_t>, from loans: Loans? = nil) {
        if count >= Self.lendingThreshold {
            let hint = Unmanaged.passRetained(Loan(self, loans)).toOpaque()
            zmq_msg_init_data(
                message, UnsafeMutableRawPointer(mutating: start), count,
                { _, hint in
                    if let hint { Unmanaged<Loan>.fromOpaque(hint).release() }
                }, hint)
        } else {
            zmq_msg_init_size(message, count)
            if let start { zmq_msg_data(message).copyMemory(from: start, byteCount: count) }
        }
    }
}
