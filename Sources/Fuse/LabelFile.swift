import Dispatch
import Files
import Memory
import Synchronization

/// The file in which labels are kept, written on a queue of its own, so that predictions do not wait for the disk.
final class LabelFile: Sendable {
    /// The place of an answer among the learner's: its epoch and sequence.
    typealias Order = (epoch: UInt64, sequence: UInt64)

    private struct State {
        var isWriting = false
        var failure: String?
    }

    let path: String
    private let queue = DispatchQueue(label: "accrete.labels")
    private let state = Mutex(State())

    init(path: String) { self.path = path }

    private static let stampBytes = 16

    /// What is stored; nil where nothing is.
    /// - Throws: `FileError`; `LabelMemory.StateError` where the file is damaged.
    func read(capacity: Int) throws -> (LabelMemory, Order)? {
        guard fileExists(path) else { return nil }
        let bytes = try readFile(path, atMost: LabelMemory.mostStateBytes + Self.stampBytes)
        guard bytes.count >= Self.stampBytes else { throw LabelMemory.StateError(description: "the file ends early") }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        return (try LabelMemory(Array(bytes.dropFirst(Self.stampBytes)), capacity: capacity), (number(0..<8), number(8..<16)))
    }

    /// Begins to write; while an earlier write has not ended it does not.
    /// - Returns: whether it began.
    func write(_ memory: LabelMemory, order: Order) -> Bool {
        let isFree = state.withLock { state in
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard isFree else { return false }
        queue.async { [self] in
            let failure = replace(memory, order)
            state.withLock { state in
                state.isWriting = false
                state.failure = failure ?? state.failure
            }
        }
        return true
    }

    /// Writes after all earlier writes.
    func writeLast(_ memory: LabelMemory, order: Order) {
        let failure = queue.sync { replace(memory, order) }
        state.withLock { $0.failure = failure ?? $0.failure }
    }

    /// Why a write failed since the last call; nil if none did.
    func takeFailure() -> String? {
        state.withLock { state in
            defer { state.failure = nil }
            return state.failure
        }
    }

    private func replace(_ memory: LabelMemory, _ order: Order) -> String? {
        var bytes: [UInt8] = []
        for number in [order.epoch, order.sequence] { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }
        bytes += memory.state
        do {
            try makeDirectory(at: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
            try replaceFile(at: path) { append in try bytes.withUnsafeBytes(append) }
            return nil
        } catch {
            return "\(error)"
        }
    }
}
