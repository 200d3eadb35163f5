import Model
import Pipeline
import Schema
import Statistics
import Synchronization
import Updates

/// The newest labelled moments of a stage, on which a version of the model is tried before it serves.
///
/// Moments are kept in memory only. A version has not learned from what came after it, and the one that serves from fewer of them still: the
/// probe favours what is new, and finds what has become worse all the same.
package final class ProbeSet: Sendable {
    /// A version is tried from this many examples on: fewer say little.
    package static let fewest = 16
    /// Moments predicted at a time.
    private static let rows = 8

    private struct Example {
        let input: MomentInput, label: Int, session: String
    }

    private struct State: ~Copyable {
        var examples: [Example] = []
        /// The newest order that was followed: its answer is sent again for those who subscribe late.
        var order: (epoch: UInt64, sequence: UInt64) = (0, 0)
        let model: ServingModel
    }

    private let capacity: Int
    private let state: Mutex<State>

    /// - Parameter capacity: the most moments that are kept.
    /// - Throws: `SettingsError` where the model's settings are invalid.
    package init(_ configuration: MultimodalConfiguration, capacity: Int) throws(SettingsError) {
        self.capacity = capacity
        state = Mutex(State(model: try ServingModel(configuration, rows: Self.rows, languageRows: 0)))
    }

    package var count: Int { state.withLock { $0.examples.count } }

    /// Adds a moment whose label has come.
    package func add(_ input: MomentInput, label: Int, session: String) {
        state.withLock {
            $0.examples.append(Example(input: input, label: label, session: session))
            if $0.examples.count > capacity { $0.examples.removeFirst() }
        }
    }

    /// Forgets what the learner was ordered to forget.
    package func follow(_ answer: OrderAnswer) {
        let order = (answer.stamp.epoch, answer.stamp.sequence)
        state.withLock { state in
            guard answer.accepted, order > state.order else { return }
            state.order = order
            switch answer.order.order {
            case .forgetSource(let session)?, .resetSession(let session)?: state.examples.removeAll { $0.session == session }
            case .resetAll?: state.examples = []
            default: break
            }
        }
    }

    /// The mean of −ln p of the labels, in nats; 0 with fewer than `fewest` examples, and not a number where a prediction is none.
    package func loss(of parameters: ModelParameters) -> Double {
        state.withLock { state in
            guard state.examples.count >= Self.fewest else { return 0 }
            CheckedParameters(parameters, state.model.layout).copy(into: state.model.parameters)
            var sum = 0.0
            for start in stride(from: 0, to: state.examples.count, by: Self.rows) {
                let examples = state.examples[start..<min(start + Self.rows, state.examples.count)]
                let empty = Array(repeating: ServingModel.Question(MomentInput()), count: Self.rows - examples.count)
                let answers = state.model.predict(examples.map { ServingModel.Question($0.input, scoresText: false) } + empty)
                for (example, answer) in zip(examples, answers) {
                    guard answer.isFinite else { return .nan }
                    sum -= Double.log(Double(max(answer.probabilities[example.label], .leastNormalMagnitude)))
                }
            }
            return sum / Double(state.examples.count)
        }
    }
}
