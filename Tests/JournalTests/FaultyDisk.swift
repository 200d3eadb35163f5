import Dispatch
import Statistics
import Synchronization
@testable import Journal

/// A disk in memory that fails where it is told to, and that a crash may interrupt between any two of its steps.
final class FaultyDisk: JournalStorage {
    enum Fault: Sendable {
        /// This step and all later ones fail: the process is gone.
        case crash
        /// This step fails once.
        case error
        /// From this step on, everything that writes fails until `heal`.
        case readOnly
        /// Of a write only the first byte is written; of a sync the same as `error`.
        case short
    }

    private struct File {
        var bytes: [UInt8] = []
        var synced = 0
        /// Whether its name survives a crash.
        var isSettled = false
    }

    private struct State {
        var files: [String: File] = [:]
        /// Files whose removal or renaming does not survive a crash yet.
        var gone: [String: File] = [:]
        var steps = 0
        var fault: (step: Int, kind: Fault)?
        var isReadOnly = false
        var capacity = Int.max
        var syncsAfterFailure = 0
    }

    private let state = Mutex(State())
    /// Where it is set, every sync waits for it.
    let gate: DispatchSemaphore?

    init(gate: DispatchSemaphore? = nil) { self.gate = gate }

    private init(_ files: [String: File]) {
        gate = nil
        state.withLock { $0.files = files }
    }

    /// Steps so far, each a call that changes something.
    var steps: Int { state.withLock { $0.steps } }
    /// How often a descriptor was synced again after it had failed.
    var syncsAfterFailure: Int { state.withLock { $0.syncsAfterFailure } }

    func fail(atStep step: Int, _ kind: Fault) { state.withLock { $0.fault = (step, kind) } }
    func limit(to bytes: Int) { state.withLock { $0.capacity = bytes } }

    func heal() {
        state.withLock { state in
            (state.fault, state.isReadOnly, state.capacity) = (nil, false, .max)
        }
    }

    /// What is on the disk after a crash: what was brought there, and of the rest whatever chance leaves.
    func afterCrash(_ random: inout RandomSource) -> FaultyDisk {
        let (files, gone) = state.withLock { ($0.files, $0.gone) }
        var left: [String: File] = [:]
        for (name, file) in gone.sorted(by: { $0.key < $1.key }) where random.uniform(below: 2) == 0 { left[name] = file }
        for (name, file) in files.sorted(by: { $0.key < $1.key }) where file.isSettled || random.uniform(below: 2) == 0 {
            var file = file
            let rest = file.bytes.count - file.synced
            var kept = rest == 0 ? 0 : random.uniform(below: rest + 1)
            if random.uniform(below: 3) == 0 { kept = rest }
            file.bytes.removeSubrange((file.synced + kept)...)
            // Blocks that were allocated and not written.
            if kept > 0, random.uniform(below: 3) == 0 {
                let hole = random.uniform(below: kept)
                for place in file.synced + hole..<file.bytes.count { file.bytes[place] = 0 }
            }
            (file.synced, file.isSettled) = (file.bytes.count, true)
            left[name] = file
        }
        return FaultyDisk(left)
    }

    func bytes(of name: String) -> [UInt8] { state.withLock { $0.files[name]?.bytes ?? [] } }

    func set(_ name: String, _ bytes: [UInt8]) {
        state.withLock { $0.files[name] = File(bytes: bytes, synced: bytes.count, isSettled: true) }
    }

    func copy() -> FaultyDisk { FaultyDisk(state.withLock { $0.files }) }

    // MARK: The calls

    /// Counts a step, and fails where it is told to.
    /// - Returns: whether a write is to be short.
    private func step(_ state: inout State, _ what: String, _ name: String) throws(JournalError) -> Bool {
        defer { state.steps += 1 }
        if state.isReadOnly { throw JournalError(what, name, "the disk is read only") }
        guard let fault = state.fault, state.steps >= fault.step else { return false }
        switch fault.kind {
        case .crash: throw JournalError(what, name, "the process is gone")
        case .error: state.fault = nil
        case .readOnly: state.isReadOnly = true
        case .short:
            state.fault = nil
            if what == "write" { return true }
        }
        throw JournalError(what, name, "a fault")
    }

    private func change<Result: Sendable>(
        _ what: String, _ name: String, _ body: @Sendable (inout State, _ isShort: Bool) throws(JournalError) -> Result
    ) throws(JournalError) -> Result {
        let result = state.withLock { state -> Swift.Result<Result, JournalError> in
            do throws(JournalError) {
                return .success(try body(&state, try step(&state, what, name)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func names() throws(JournalError) -> [String] { state.withLock { $0.files.keys.sorted() } }

    func create(_ name: String) throws(JournalError) -> any JournalOutput {
        try change("create", name) { state, _ throws(JournalError) in
            guard state.files[name] == nil else { throw JournalError("create", name, "File exists") }
            state.files[name] = File()
        }
        return Output(self, name)
    }

    func open(_ name: String) throws(JournalError) -> any JournalInput {
        guard state.withLock({ $0.files[name] != nil }) else { throw JournalError("open", name, "No such file or directory") }
        return Input(self, name)
    }

    func cut(_ name: String, to size: Int) throws(JournalError) {
        try change("cut", name) { state, _ throws(JournalError) in
            guard let bytes = state.files[name]?.bytes else { throw JournalError("cut", name, "No such file or directory") }
            state.files[name]?.bytes = bytes.prefix(size) + [UInt8](repeating: 0, count: max(0, size - bytes.count))
            state.files[name]?.synced = size
        }
    }

    func rename(_ name: String, to newName: String) throws(JournalError) {
        try change("rename", name) { state, _ throws(JournalError) in
            state.gone[newName] = state.files[newName]
            state.files[newName] = state.files.removeValue(forKey: name)
        }
    }

    func remove(_ name: String) throws(JournalError) {
        try change("remove", name) { state, _ throws(JournalError) in
            if let file = state.files.removeValue(forKey: name), file.isSettled { state.gone[name] = file }
        }
    }

    func settle() throws(JournalError) {
        try change("settle", "") { state, _ throws(JournalError) in
            for name in state.files.keys { state.files[name]?.isSettled = true }
            state.gone = [:]
        }
    }

    private final class Output: JournalOutput {
        private let disk: FaultyDisk
        private let name: String
        private var hasFailed = false

        init(_ disk: FaultyDisk, _ name: String) { (self.disk, self.name) = (disk, name) }

        func write(_ bytes: UnsafeRawBufferPointer) throws(JournalError) -> Int {
            let (all, name) = (Array(bytes), name)
            return try disk.change("write", name) { state, isShort throws(JournalError) in
                let used = state.files.values.reduce(0) { $0 + $1.bytes.count }
                let count = min(isShort ? 1 : all.count, state.capacity - used)
                guard count > 0 else { throw JournalError("write", name, "No space left on device") }
                state.files[name]?.bytes += all[..<count]
                return count
            }
        }

        func sync() throws(JournalError) {
            disk.gate?.wait()
            let (name, hasFailedBefore) = (name, hasFailed)
            hasFailed = true
            try disk.change("sync", name) { state, _ throws(JournalError) in
                if hasFailedBefore { state.syncsAfterFailure += 1 }
                if let file = state.files[name] { state.files[name]?.synced = file.bytes.count }
            }
            hasFailed = false
        }

        func close() {}
    }

    private final class Input: JournalInput {
        private let disk: FaultyDisk
        private let name: String

        init(_ disk: FaultyDisk, _ name: String) { (self.disk, self.name) = (disk, name) }

        var size: Int { get throws(JournalError) { disk.bytes(of: name).count } }

        func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(JournalError) -> Int {
            let all = disk.bytes(of: name)
            guard offset < all.count else { return 0 }
            let count = min(bytes.count, all.count - offset)
            bytes.copyBytes(from: all[offset..<offset + count])
            return count
        }
    }
}
