import CZeroMQ
import Foundation
import Synchronization

/// A ZeroMQ context: its I/O thread and the ipc paths held by its sockets. It ends when the last socket is released,
/// at most after their linger time.
///
/// Sendable because ZeroMQ's contexts are thread safe and the paths are behind a mutex.
public final class Context: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    private let locks = Mutex<[LockBox]>([])
    private let ended = Atomic(false)
    /// The keys of this process; nil where nothing is encrypted.
    let security: Security?
    private let authenticating = Mutex(Weak())

    /// - Parameter security: the keys of this process; nil: nothing is encrypted.
    /// - Throws: `MessagingError` where ZeroMQ cannot be started, or cannot encrypt and keys are given.
    public init(security: Security? = nil) throws(MessagingError) {
        guard let pointer = zmq_ctx_new() else { throw .zeroMQ("start ZeroMQ") }
        self.pointer = pointer
        self.security = security
        guard security == nil || zmq_has("curve") != 0 else {
            throw MessagingError("encrypt", "this ZeroMQ was built without encryption; install one with libsodium")
        }
    }

    /// Answers who may connect to bound endpoints; nil before the first is bound with keys.
    var authenticator: Authenticator? { authenticating.withLock { $0.authenticator } }

    /// The authenticator of all bound sockets, started for the first.
    func startAuthenticator(_ security: Security) throws(MessagingError) -> Authenticator {
        if let authenticator { return authenticator }
        let new = try Authenticator(security, in: self)
        authenticating.withLock { $0.authenticator = new }
        return new
    }

    private struct Weak { weak var authenticator: Authenticator? }

    /// Holds the path of an ipc endpoint until the context ends: ZeroMQ removes the file some time after the socket
    /// has closed, and must not remove a successor's.
    func hold(_ endpoint: Endpoint) throws(MessagingError) {
        guard let path = endpoint.path else { return }
        let box = LockBox(try EndpointLock(endpoint, path: path))
        locks.withLock { $0.append(box) }
    }

    /// Waits, on a thread of its own, until every socket has been closed and what they had sent is delivered or their
    /// linger has passed. Nothing may be opened in the context afterwards.
    public func end() async {
        guard !ended.exchange(true, ordering: .relaxed) else { return }
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                self.terminate()
                continuation.resume()
            }
        }
    }

    deinit {
        if !ended.load(ordering: .relaxed) { terminate() }
    }

    private func terminate() {
        while zmq_ctx_term(pointer) != 0, zmq_errno() == EINTR {}
        locks.withLock { $0 = [] }
    }

    private final class LockBox: Sendable {
        let lock: EndpointLock
        init(_ lock: consuming EndpointLock) { self.lock = lock }
    }
}
