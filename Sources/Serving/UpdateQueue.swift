import Dispatch
import Messaging
import Pipeline
import Schema
import Synchronization
import Tensors
import Updates

/// Checks model updates on a queue of their own, in live mode, so that predictions do not wait for the digest of a large update.
package final class UpdateQueue: Sendable {
    /// An update with its parameters, or why it is refused.
    package struct Checked: Sendable {
        package let update: ModelUpdate
        package let parameters: Result<CheckedParameters, Refusal>
    }

    private struct State {
        var pending = 0
        var checked: [Checked] = []
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "accrete.updates")
    private let layout: ParameterLayout
    private let trust: UpdateTrust?
    /// The most updates that wait; a newer one is dropped then.
    private static let capacity = 4

    /// - Parameters:
    ///   - layout: of the parameters that updates must have.
    ///   - trust: whose updates are believed; nil: all.
    package init(layout: ParameterLayout, trust: UpdateTrust? = nil) { (self.layout, self.trust) = (layout, trust) }

    /// Queues an update.
    /// - Throws: `overflow`, where too many wait.
    package func post(_ update: ModelUpdate, payload message: WireMessage) throws(Refusal) {
        let hasRoom = state.withLock { state in
            guard state.pending + state.checked.count < Self.capacity else { return false }
            state.pending += 1
            return true
        }
        guard hasRoom else { throw Refusal(.overflow, "\(update.title) while \(Self.capacity) updates wait to be checked") }
        queue.async { [self] in
            let parameters: Result<CheckedParameters, Refusal>
            do throws(Refusal) {
                parameters = .success(try CheckedParameters(update, message, layout, trust))
            } catch {
                parameters = .failure(error)
            }
            state.withLock { state in
                state.pending -= 1
                state.checked.append(Checked(update: update, parameters: parameters))
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
