import Statistics

/// A policy and several copies of an environment, stepping together.
public struct Training<World: Environment> {
    public let learner: any ConfigurablePolicy
    private var worlds: [World]
    private var observations: [[Float]]
    private var totals: [Double]
    private var runs: [[Transition]]
    private var random: RandomSource
    /// Steps taken in all worlds together.
    public private(set) var steps = 0
    /// The return of every episode that ended, and the step at which it did.
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

    /// One step in every world; learns when as many steps have come together as the learner wants.
    @discardableResult
    public mutating func advance() -> PolicyProgress? {
        for index in worlds.indices { step(index) }
        guard runs.reduce(0, { $0 + $1.count }) >= learner.appetite else { return nil }
        for index in runs.indices where !runs[index].isEmpty {
            // What follows the newest step is as good as the policy now thinks it is.
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
