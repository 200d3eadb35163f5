import Statistics

/// A replay buffer: the newest transitions, in ring buffers of numbers.
struct TransitionMemory {
    let capacity: Int
    private let inputs: Int, width: Int
    private var observations: [Float] = [], actions: [Float] = [], next: [Float] = []
    private var rewards: [Float] = [], follows: [Float] = []
    private var place = 0
    var count: Int { rewards.count }

    init(capacity: Int, inputs: Int, width: Int) {
        self.capacity = capacity
        self.inputs = inputs
        self.width = width
    }

    mutating func append(_ step: Transition) {
        let follow: Float = step.isTerminal ? 0 : 1
        if count < capacity {
            observations += step.observation
            actions += step.decision.raw
            next += step.next
            rewards.append(Float(step.reward))
            follows.append(follow)
            return
        }
        observations.replaceSubrange(place * inputs..<(place + 1) * inputs, with: step.observation)
        actions.replaceSubrange(place * width..<(place + 1) * width, with: step.decision.raw)
        next.replaceSubrange(place * inputs..<(place + 1) * inputs, with: step.next)
        (rewards[place], follows[place]) = (Float(step.reward), follow)
        place = (place + 1) % capacity
    }

    /// The newest transitions as a state, oldest first.
    /// - Parameter numbers: the maximum count of numbers in the state.
    func state(atMost numbers: Int) -> PolicyState {
        let kept = min(count, numbers / (2 * inputs + width + 2))
        let order = (0..<kept).map { (place + count - kept + $0) % max(1, count) }
        func rows(_ values: [Float], _ columns: Int) -> [Float] { order.flatMap { values[$0 * columns..<($0 + 1) * columns] } }
        return PolicyState(tensors: [
            "memory.observations": rows(observations, inputs), "memory.actions": rows(actions, width), "memory.next": rows(next, inputs),
            "memory.rewards": rows(rewards, 1), "memory.follows": rows(follows, 1),
        ])
    }

    /// Restores the transitions of a state; does nothing if their shapes do not match, if there are too many, or if a number is not
    /// finite.
    mutating func restore(_ state: PolicyState) {
        guard let observations = state.tensors["memory.observations"], let actions = state.tensors["memory.actions"],
            let next = state.tensors["memory.next"],
            let rewards = state.tensors["memory.rewards"], let follows = state.tensors["memory.follows"]
        else { return }
        let kept = rewards.count
        guard (observations + actions + next + rewards + follows).allSatisfy(\.isFinite) else { return }
        guard kept <= capacity, observations.count == kept * inputs, next.count == kept * inputs, actions.count == kept * width,
            follows.count == kept
        else { return }
        (self.observations, self.actions, self.next, self.rewards, self.follows) = (observations, actions, next, rewards, follows)
        place = 0
    }

    /// A stored transition.
    struct Row {
        var observation: ArraySlice<Float>, action: ArraySlice<Float>, next: ArraySlice<Float>
        var reward: Float
        /// 0 after a terminal step, else 1.
        var follows: Float
    }

    subscript(index: Int) -> Row {
        Row(
            observation: observations[index * inputs..<(index + 1) * inputs], action: actions[index * width..<(index + 1) * width],
            next: next[index * inputs..<(index + 1) * inputs], reward: rewards[index], follows: follows[index])
    }
}
