import CZeroMQ
import Synchronization

/// A payload frame to be sent. Large ones are passed to ZeroMQ without a copy; the memory is released when the frame has been sent
/// to the last peer.
///
/// Sendable because the bytes do not change after `init`.
public struct Payload: @unchecked Sendable {
    /// The number of bytes.
    public let count: Int
    private let start: UnsafeRawPointer?
    /// Keeps the bytes alive: memory of its own, or the batch that they arrived in.
    private let owner: AnyObject

    /// Bytes in the object itself, aligned as for any number.
    private final class Memory: ManagedBuffer<Void, UInt8> {
        static func make(_ count: Int) -> (owner: AnyObject, bytes: UnsafeMutableRawBufferPointer) {
            let memory = create(minimumCapacity: count) { _ in }
            return (memory, memory.withUnsafeMutablePointerToElements { UnsafeMutableRawBufferPointer(start: $0, count: count) })
        }
    }

    private init(_ bytes: UnsafeRawBufferPointer, of owner: AnyObject) {
        (start, count, self.owner) = (bytes.baseAddress, bytes.count, owner)
    }

    /// `count` bytes that `fill` writes.
    public init<Failure: Error>(
        count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let memory = Memory.make(count)
        try fill(memory.bytes)
        self.init(UnsafeRawBufferPointer(memory.bytes), of: memory.owner)
    }

    /// A copy of these bytes.
    public init(_ bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// A copy of these bytes.
    public init(_ bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { Payload($0) }
    }

    /// A copy of these numbers as little-endian float32.
    public init(_ values: [Float]) {
        self = values.withUnsafeBytes { Payload($0) }
    }

    /// A received part, sent on unchanged. Its batch stays alive meanwhile, so a part that is a small share of its batch is copied.
    public init(_ part: MessagePart) {
        if part.count >= part.batch.byteCount / Self.batchShare {
            self.init(part.bytes, of: part.batch)
        } else {
            self = part.withUnsafeBytes { Payload($0) }
        }
    }

    private static let batchShare = 4

    /// The same bytes as frames of at most `size` bytes, in order; at least one. Nothing is copied. Numbers of up to eight bytes that are
    /// aligned to their size are not split.
    public func cut(into size: Int) -> [Payload] {
        precondition(size >= 8, "frames of \(size) bytes")
        guard count > size else { return [self] }
        let bytes = UnsafeRawBufferPointer(start: start, count: count), size = size / 8 * 8
        return stride(from: 0, to: count, by: size).map {
            Payload(UnsafeRawBufferPointer(rebasing: bytes[$0..<min(count, $0 + size)]), of: owner)
        }
    }

    /// Calls `body` with the bytes, which are valid during the call only.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result: Result
        do { result = try body(UnsafeRawBufferPointer(start: start, count: count)) } catch { throw error }
        withExtendedLifetime(owner) {}
        return result
    }

    /// Frames of this many bytes and more are not copied. That costs an allocation and a call back from ZeroMQ's thread.
    private static let lendingThreshold = 16 << 10

    /// Counts the bytes that ZeroMQ still refers to because they wait for some peer.
    final class Loans: Sendable {
        private let lent = Atomic(0)
        var bytes: Int { lent.load(ordering: .relaxed) }
        fileprivate func add(_ bytes: Int) { lent.wrappingAdd(bytes, ordering: .relaxed) }
    }

    /// Keeps a payload alive until ZeroMQ releases it.
    private final class Loan {
        private let payload: Payload
        private let loans: Loans?

        init(_ payload: Payload, _ loans: Loans?) {
            (self.payload, self.loans) = (payload, loans)
            loans?.add(payload.count)
        }

        deinit { loans?.add(-payload.count) }
    }

    /// Initializes `message` with these bytes.
    func fill(_ message: UnsafeMutablePointer<zmq_msg_t>, from loans: Loans? = nil) {
        guard count >= Self.lendingThreshold else { return withUnsafeBytes { message.fill(with: $0) } }
        let hint = Unmanaged.passRetained(Loan(self, loans)).toOpaque()
        zmq_msg_init_data(
            message, UnsafeMutableRawPointer(mutating: start), count,
            { _, hint in
                if let hint { Unmanaged<Loan>.fromOpaque(hint).release() }
            }, hint)
    }

    /// Sends these bytes as a part of a message; false where ZeroMQ reports an error.
    func send(to socket: UnsafeMutableRawPointer, _ flags: Int32, from loans: Loans) -> Bool {
        guard count >= Self.lendingThreshold else { return withUnsafeBytes { zmq_send(socket, $0.baseAddress, $0.count, flags) >= 0 } }
        var message = zmq_msg_t()
        fill(&message, from: loans)
        if zmq_msg_send(&message, socket, flags) >= 0 { return true }
        zmq_msg_close(&message)
        return false
    }
}
