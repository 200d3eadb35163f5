import Foundation
import Journal
import Synchronization

/// A journal's directory on disk in which chosen steps fail.
final class InterruptedStorage: JournalStorage {
    enum Fault: Sendable {
        /// The process is gone before the step, or after it.
        case killBefore, killAfter
        /// The step fails once, with the system's message.
        case failure(String)
    }

    private struct State {
        var steps: [String] = []
        var faults: [Int: Fault] = [:]
        var isGone = false
        /// What is known to be on disk of each file, in bytes, and whether its name is.
        var synced: [String: (bytes: Int, isSettled: Bool)] = [:]
    }

    private let directory: DirectoryStorage
    private let state = Mutex(State())

    init(_ directory: DirectoryStorage, faults: [Int: Fault] = [:]) {
        self.directory = directory
        state.withLock { $0.faults = faults }
    }

    /// The steps so far, each a call that changes something on disk.
    var steps: [String] { state.withLock { $0.steps } }

    /// Takes away what a loss of power may take: bytes and names that were not brought to disk.
    func losePower() throws(JournalError) {
        for (name, known) in state.withLock({ $0.synced }) where try directory.names().contains(name) {
            if known.isSettled { try directory.cut(name, to: known.bytes) } else { try directory.remove(name) }
        }
    }

    private func step<Result>(_ name: String, _ body: () throws(JournalError) -> Result) throws(JournalError) -> Result {
        let fault = state.withLock { state -> Fault? in
            if state.isGone { return .killBefore }
            state.steps.append(name)
            let fault = state.faults[state.steps.count - 1]
            switch fault {
            case .killBefore, .killAfter: state.isGone = true
            case .failure, nil: break
            }
            return fault
        }
        switch fault {
        case .killBefore: throw JournalError(name, "the file", "the process is gone")
        case .failure(let reason): throw JournalError(name, "the file", reason)
        case .killAfter:
            _ = try body()
            throw JournalError(name, "the file", "the process is gone")
        case nil: return try body()
        }
    }

    func names() throws(JournalError) -> [String] { try directory.names() }
    func open(_ name: String) throws(JournalError) -> any JournalInput { try directory.open(name) }

    func create(_ name: String) throws(JournalError) -> any JournalOutput {
        try step("create") { () throws(JournalError) in
            state.withLock { $0.synced[name] = (0, false) }
            return Output(try directory.create(name), name, self)
        }
    }

    func cut(_ name: String, to size: Int) throws(JournalError) {
        try step("cut") { () throws(JournalError) in
            try directory.cut(name, to: size)
            state.withLock { $0.synced[name] = (size, $0.synced[name]?.isSettled ?? true) }
        }
    }

    func rename(_ name: String, to newName: String) throws(JournalError) {
        try step("rename") { () throws(JournalError) in
            try directory.rename(name, to: newName)
            state.withLock { state in
                if let known = state.synced.removeValue(forKey: name) { state.synced[newName] = known }
            }
        }
    }

    func remove(_ name: String) throws(JournalError) {
        try step("unlink") { () throws(JournalError) in
            try directory.remove(name)
            state.withLock { $0.synced[name] = nil }
        }
    }

    func settle() throws(JournalError) {
        try step("fsync of the directory") { () throws(JournalError) in
            try directory.settle()
            state.withLock { state in for name in state.synced.keys { state.synced[name]?.isSettled = true } }
        }
    }

    private final class Output: JournalOutput {
        private let file: any JournalOutput
        private let name: String
        private let storage: InterruptedStorage
        private var written = 0

        init(_ file: any JournalOutput, _ name: String, _ storage: InterruptedStorage) {
            (self.file, self.name, self.storage) = (file, name, storage)
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws(JournalError) -> Int {
            let count = try storage.step("write") { () throws(JournalError) in try file.write(bytes) }
            written += count
            return count
        }

        func sync() throws(JournalError) {
            try storage.step("fdatasync") { () throws(JournalError) in
                try file.sync()
                storage.state.withLock { $0.synced[name] = (written, $0.synced[name]?.isSettled ?? false) }
            }
        }

        func close() { file.close() }
    }
}
