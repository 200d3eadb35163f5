import Model
import Statistics
import Tensors

extension OnlineLearner {
    /// All that a learner remembers beside its parameters: restored together with them, it goes on exactly where it was.
    public struct State: Sendable {
        public struct Progress: Codable, Sendable {
            public var moments: Int
            public var random: RandomSource
            public var optimizer: Optimizer.State.Progress
            public var memory: ReplayBuffer<MomentInput>
        }

        public var progress: Progress
        /// The optimiser's moments, by name.
        public var tensors: [String: [Float]]

        public init(progress: Progress, tensors: [String: [Float]]) {
            self.progress = progress
            self.tensors = tensors
        }
    }

    public var state: State {
        let state = optimizer.state
        return State(
            progress: .init(moments: moments, random: random, optimizer: state.progress, memory: memory), tensors: state.tensors)
    }

    /// Nothing is changed unless everything fits.
    public func restore(_ state: State) throws(Optimizer.StateError) {
        try optimizer.restore(.init(progress: state.progress.optimizer, tensors: state.tensors))
        moments = state.progress.moments
        random = state.progress.random
        memory = state.progress.memory
    }
}
