import Dispatch
import Messaging
import Pipeline
import Schema
import Synchronization
import Updates

/// Checks model updates on a queue of their own, in live mode, so that predictions do not wait for the digest of a large update.
package final class UpdateQueue: Sendable {
    /// An update with what it was found to be: a version, one that was sent again, or why it is refused.
    package struct Checked: Sendable {
        package let update: ModelUpdate
        package let version: Result<ModelReceiver.Version?, Refusal>
        /// What it loses on the probe set; nil where it was not tried.
        package let trial: ModelSubscriber.Trial?
    }

    /// The frames of a message and what keeps them. Sendable because nobody writes to them while `owner` lives.
    private struct Frames: @unchecked Sendable {
        let parts: [UnsafeRawBufferPointer]
        let owner: any Sendable
    }

    private struct State {
        var pending = 0
        var checked: [Checked] = []
        /// Changed on the queue alone.
        var receiver: ModelReceiver
    }

    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "accrete.updates")
    /// The most updates that wait; a newer one is dropped then.
    private static let capacity = 4

    /// - Parameter receiver: checks the updates.
    package init(_ receiver: ModelReceiver) { state = Mutex(State(receiver: receiver)) }

    /// What the updates that were checked have led to.
    package var receiver: ModelReceiver { state.withLock(\.receiver) }

    /// Whether nothing waits to be checked, or to be fetched.
    package var isIdle: Bool { state.withLock { $0.pending == 0 && $0.checked.isEmpty } }

    /// Queues an update.
    /// - Parameter trial: tries the version that it is, before anybody uses it.
    /// - Throws: `overflow`, where too many wait.
    package func post(
        _ update: ModelUpdate, parts: [UnsafeRawBufferPointer], owner: any Sendable,
        trial: @escaping @Sendable (ModelReceiver.Version) -> ModelSubscriber.Trial? = { _ in nil }
    ) throws(Refusal) {
        let hasRoom = state.withLock { state in
            guard state.pending + state.checked.count < Self.capacity else { return false }
            state.pending += 1
            return true
        }
        guard hasRoom else { throw Refusal(.overflow, "version \(update.version) while \(Self.capacity) updates wait to be checked") }
        let frames = Frames(parts: parts, owner: owner)
        queue.async { [self] in
            var receiver = receiver
            let version: Result<ModelReceiver.Version?, Refusal>
            do throws(Refusal) {
                version = .success(try receiver.receive(update, parts: frames.parts, owner: frames.owner))
            } catch {
                version = .failure(error)
            }
            let tried = (try? version.get()).flatMap(trial)
            state.withLock { state in
                state.receiver = receiver
                state.pending -= 1
                state.checked.append(Checked(update: update, version: version, trial: tried))
            }
        }
    }

    /// The updates that have been checked since the last call, in order.
    package func fetch() -> [Checked] {
        state.withLock { state in
            defer { state.checked = [] }
            return state.checked
        }
    }
}
