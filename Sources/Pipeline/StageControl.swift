import Messaging
import Synchronization

/// Stops a stage from any thread: the flag is checked between two messages, and a waiting stage is woken.
final class StageControl: Sendable {
    private struct State {
        var stopped = false
        var subscriber: Subscriber?
    }

    private let state = Mutex(State())

    var isStopped: Bool { state.withLock { $0.stopped } }

    /// Sets the subscriber that is cancelled in order to wake the stage.
    func listen(with subscriber: Subscriber) {
        let alreadyStopped = state.withLock { state in
            state.subscriber = subscriber
            return state.stopped
        }
        if alreadyStopped { subscriber.cancel() }
    }

    func stop() {
        let subscriber = state.withLock { state in
            state.stopped = true
            return state.subscriber
        }
        subscriber?.cancel()
    }
}
