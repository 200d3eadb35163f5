import Model
import Statistics
import Tensors

/// Learns a multimodal model from one moment after another: each new moment and some remembered ones make one step.
///
///     let learner = try OnlineLearner(model, configuration, seed: 7)
///     let outcome = try learner.learn(moment)
///     publish(learner.parameters)
///
/// The same seed and the same moments in the same order give the same parameters, to the bit. A learner has one owner.
public final class OnlineLearner {
    public let model: MultimodalModel
    public let configuration: Configuration
    let graph: MultimodalGraph<Float>
    let optimizer: Optimizer
    var memory: ReplayBuffer<MomentInput>
    var random: RandomSource
    /// Moments learned from.
    public internal(set) var moments = 0

    /// Starts from the seed's parameters.
    public convenience init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), seed: UInt64, team: Team = .solo
    ) throws(SettingsError) {
        var random = RandomSource(seed: seed)
        let parameters = model.initialStore(using: &random)
        try self.init(model, configuration, parameters: parameters, random: random, team: team)
    }

    /// Starts from given parameters, which the learner changes from then on.
    public init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), parameters: ParameterStore<Float>,
        random: RandomSource, team: Team = .solo
    ) throws(SettingsError) {
        try configuration.validate()
        self.model = model
        self.configuration = configuration
        self.random = random
        let batch = 1 + configuration.replayed, trunk = try configuration.trunkScope
        graph = MultimodalGraph(
            model, parameters: parameters, batch: batch, languageRows: min(batch, configuration.languageRows),
            learning: { model.learns($0, trunk: trunk) }, team: team)
        let rule = try updateRule(configuration.optimizer, settings: configuration.optimizerSettings)
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
        memory = try ReplayBuffer(
            policy: configuration.replay, settings: configuration.replaySettings, capacity: configuration.memory,
            byteCapacity: configuration.memoryBytes, random: self.random.split())
    }

    public var parameters: ParameterStore<Float> { graph.parameters }

    /// Learns from a moment, together with remembered ones, and remembers it. A moment with neither label nor text teaches nothing.
    @discardableResult
    public func learn(_ moment: MomentInput) throws(MomentProblem) -> LearnOutcome? {
        try model.configuration.check(moment)
        guard moment.label != nil || !moment.text.isEmpty else { return nil }
        var outcome: LearnOutcome?
        for _ in 0..<configuration.stepsPerMoment { outcome = step(with: moment) }
        memory.add(moment, label: moment.label, bytes: moment.bytes, priority: outcome?.losses.total ?? 1)
        moments += 1
        return outcome
    }

    private func step(with moment: MomentInput) -> LearnOutcome {
        let recalled = memory.draw(configuration.replayed)
        put(moment, row: 0)
        for (row, drawn) in recalled.enumerated() { put(drawn.item, row: 1 + row) }
        for row in 1 + recalled.count..<graph.batch { graph.clear(row: row) }
        graph.forward()
        graph.backward()
        let step = optimizer.step()
        for (row, drawn) in recalled.enumerated() { memory.setPriority(graph.classificationLoss(row: 1 + row), of: drawn.serial) }
        return LearnOutcome(
            losses: graph.losses, stepped: step.stepped, gradientNorm: step.gradientNorm, learningRate: step.learningRate,
            rows: 1 + recalled.count)
    }

    /// Some modalities hidden, so that the model learns to do without; readings turned a little in time.
    private func put(_ moment: MomentInput, row: Int) {
        let present = model.configuration.modalities.filter { moment.has($0) }
        var hidden = present.filter { _ in random.uniform() < configuration.modalityDropout }
        if hidden.count == present.count { hidden = [] }
        let turns = model.configuration.senses.map { sense in
            sense.jitter == 0 ? 0 : random.uniform(below: 2 * sense.jitter + 1) - sense.jitter
        }
        graph.set(moment, row: row, hiding: Set(hidden), turns: turns)
    }
}

extension OnlineLearner {
    /// How a learner learns.
    public struct Configuration: Settings {
        /// A name in `optimizers`.
        public var optimizer = "adam"
        /// Laid over the optimiser's defaults.
        public var optimizerSettings: JSONValue = .object([:])
        /// A name in `replayPolicies`: which moments are remembered, and which are recalled.
        public var replay = "reservoir"
        /// Laid over the policy's defaults.
        public var replaySettings: JSONValue = .object([:])
        /// Moments remembered at most.
        public var memory = 500
        public var memoryBytes = 64 << 20
        /// Remembered moments in each step beside the new one.
        public var replayed = 15
        /// Rows of each step, the new moment first, whose text is learned too.
        public var languageRows = 4
        /// What of the language trunk learns: `all`, `frozen`, or its last blocks, `last:N`.
        public var trunk = "all"
        /// Probability that a modality is hidden from a step.  https://arxiv.org/abs/1501.00102
        public var modalityDropout = 0.1
        public var stepsPerMoment = 1

        public init() {}

        public func validate() throws(SettingsError) {
            for (key, value, least) in [
                ("memory", memory, 0), ("memory_bytes", memoryBytes, 0), ("replayed", replayed, 0), ("language_rows", languageRows, 0), ("steps_per_moment", stepsPerMoment, 1),
            ] {
                try SettingsError.require((least...1 << 40).contains(value), key, "\(value) is below \(least) or absurd")
            }
            try SettingsError.require(replayed <= 4096, "replayed", "\(replayed) rows are too many for one step")
            try SettingsError.require((0..<1).contains(modalityDropout), "modality_dropout", "\(modalityDropout) is not in 0 ..< 1")
            _ = try trunkScope
            _ = try replayPolicy(replay, settings: replaySettings)
            _ = try updateRule(optimizer, settings: optimizerSettings)
        }
    }
}

extension OnlineLearner.Configuration {
    /// Nil where nothing of the trunk learns.
    var trunkScope: LearningScope? {
        get throws(SettingsError) {
            if trunk == "frozen" { return nil }
            if trunk == "all" { return .all }
            guard trunk.hasPrefix("last:"), let blocks = Int(trunk.dropFirst(5)), blocks > 0 else {
                throw SettingsError("trunk", "'\(trunk)' is none of all, frozen, last:N")
            }
            return .lastBlocks(blocks)
        }
    }
}

extension MomentInput {
    /// Roughly what it takes to remember it.
    var bytes: Int { 8 * text.count + senses.values.reduce(64) { $0 + 4 * $1.values.count + 64 } }
}

/// What learning from one moment did.
public struct LearnOutcome: Sendable, Equatable {
    /// Before the step.
    public var losses: MultimodalLosses
    /// False where a gradient was not finite, and nothing was changed.
    public var stepped: Bool
    public var gradientNorm: Double
    public var learningRate: Double
    /// Moments in the step, the new one and the recalled.
    public var rows: Int
}
