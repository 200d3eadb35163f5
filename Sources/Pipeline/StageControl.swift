import Messaging
import Synchronization

/// Stops a stage from anywhere: the flag is seen between two messages, and a stage that waits is woken.
final class StageControl: Sendable {
    private struct State {
        var stopped = false
        var subscriber: Subscriber?
    }

    private let state = Mutex(State())

    var isStopped: Bool { state.withLock { $0.stopped } }

    /// What is to be cancelled in order to wake the stage.
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
