import Statistics

/// Trains a policy in several copies of an environment in lockstep.
public struct Training<World: Environment> {
    public let learner: any ConfigurablePolicy
    private var worlds: [World]
    private var observations: [[Float]]
    private var totals: [Double]
    private var runs: [[Transition]]
    private var random: RandomSource
    /// The number of steps in all copies together.
    public private(set) var steps = 0
    /// The return of every finished episode, and the step at which it ended.
    public private(set) var episodes: [(step: Int, total: Double)] = []

    public init(_ learner: any ConfigurablePolicy, in world: World, copies: Int, seed: UInt64) {
        self.learner = learner
        random = RandomSource(seed: seed)
        worlds = Array(repeating: world, count: copies)
        observations = []
        totals = Array(repeating: 0, count: copies)
        runs = Array(repeating: [], count: copies)
        for index in worlds.indices { observations.append(worlds[index].reset(using: &random)) }
    }

    /// Performs one step in every copy, and learns if there are enough transitions.
    /// - Returns: the progress, if the learner has learned.
    @discardableResult
    public mutating func advance() -> PolicyProgress? {
        for index in worlds.indices { step(index) }
        guard runs.reduce(0, { $0 + $1.count }) >= learner.batchSize else { return nil }
        for index in runs.indices where !runs[index].isEmpty {
            // The run is cut here: the policy's current value estimate stands in for what follows.
            runs[index][runs[index].count - 1].isLast = true
        }
        defer { for index in runs.indices { runs[index].removeAll(keepingCapacity: true) } }
        return learner.learn(from: runs.flatMap { $0 })
    }

    private mutating func step(_ index: Int) {
        let decision = learner.policy.decide(on: observations[index], explores: true, using: &random)
        let outcome = worlds[index].step(decision)
        let ends = outcome.isTerminal || outcome.isTruncated
        let nextValue = outcome.isTerminal ? 0 : learner.policy.value(of: outcome.observation)
        runs[index].append(
            Transition(
                observation: observations[index], decision: decision, reward: outcome.reward, next: outcome.observation,
                nextValue: nextValue, isTerminal: outcome.isTerminal, isLast: ends))
        steps += 1
        totals[index] += outcome.reward
        observations[index] = outcome.observation
        guard ends else { return }
        episodes.append((steps, totals[index]))
        totals[index] = 0
        observations[index] = worlds[index].reset(using: &random)
    }
}
