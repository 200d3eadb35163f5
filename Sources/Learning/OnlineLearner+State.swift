import Model
import Statistics
import StrictJSON
import Tensors

extension OnlineLearner {
    /// The state of a learner without its parameters. A learner restored with both continues exactly.
    public struct State: Sendable {
        /// The state without its large arrays.
        public struct Progress: Codable, Sendable {
            var moments: Int
            var steps: Int
            var random: RandomSource
            var optimizer: Optimizer.State.Progress
            var memory: ReplayBuffer<PackedMoment>
            var recentLoss: Double
            /// Nil in a state of a version that did not count labels.
            var labelled: Int?
            /// The method of the configuration with which the state was saved.
            var began: Method
            /// The method in use when the state was saved.
            var method: Method
            var averages: Int
            /// The states of strategies, by name; nil in a state of an older version.
            var strategies: [String: JSON]?
            /// The state of elastic consolidation, in a state of an older version.
            var consolidation: JSON?
            var trial: Trial?
            /// What learns with differential privacy; nil where nothing does.
            var privacy: PrivateSteps.State?

            struct Trial: Codable, Sendable {
                var method: Method
                var optimizer: Optimizer.State.Progress
                var baseline: Double?
                var sum: Double
                var moments, labelled: Int
            }
        }

        /// The state without its large arrays.
        public var progress: Progress
        /// Large arrays, by name: `optimizer.<moment>.<parameter>`, `memory`, `average`, `strategy.<name>.<tensor>`, …
        public var tensors: [String: [Float]]

        public init(progress: Progress, tensors: [String: [Float]]) {
            self.progress = progress
            self.tensors = tensors
        }
    }

    /// The current state.
    public var state: State {
        let optimized = optimizer.state
        var tensors: [String: [Float]] = [:]
        var numbers: [Float] = []
        let packed = memory.mapItems { PackedMoment($0, to: &numbers) }
        tensors["memory"] = numbers
        for (name, values) in optimized.tensors { tensors["optimizer.\(name)"] = values }
        if let average { tensors["average"] = Array(average.average.values) }
        var pooled: [Float] = []
        let privacy = privacy?.state(numbers: &pooled)
        if privacy != nil { tensors["pool"] = pooled }
        let strategies = graph.strategies.states
        for (strategy, state) in strategies {
            for (name, numbers) in state.tensors { tensors["strategy.\(strategy).\(name)"] = numbers }
        }
        if let trial {
            tensors["trial.parameters"] = trial.parameters
            if average != nil { tensors["trial.average"] = trial.average }
            for (name, values) in trial.optimizer.tensors { tensors["trial.optimizer.\(name)"] = values }
        }
        return State(
            progress: .init(
                moments: moments, steps: steps, random: random, optimizer: optimized.progress, memory: packed, recentLoss: recentLoss,
                labelled: labelled, began: Method(configuration),
                method: method, averages: average?.updates ?? 0, strategies: strategies.mapValues(\.progress),
                trial: trial.map {
                    .init(
                        method: $0.method, optimizer: $0.optimizer.progress, baseline: $0.baseline, sum: $0.sum, moments: $0.moments,
                        labelled: $0.labelled)
                }, privacy: privacy),
            tensors: tensors)
    }

    /// Restores a state. A method that the learner had been switched to is used again, unless the configuration's method has changed.
    /// - Throws: `Optimizer.StateError`, if the state does not fit; the weights are not changed then.
    public func restore(_ state: State) throws(Optimizer.StateError) {
        let progress = state.progress
        if let problem = progress.problem { throw Optimizer.StateError(description: problem) }
        var rest = (state.tensors["memory"] ?? [])[...]
        let unpacked = try progress.memory.mapItems { (item: PackedMoment) throws(Optimizer.StateError) in
            guard let moment = item.unpacked(from: &rest) else {
                throw Optimizer.StateError(description: "the memory has too few numbers for its moments")
            }
            do { try model.configuration.check(moment.moment) } catch {
                throw Optimizer.StateError(description: "a remembered moment: \(error)")
            }
            return moment
        }
        if let privacy {
            guard let saved = progress.privacy else {
                throw Optimizer.StateError(
                    description: "it holds a model that has learned without privacy.learning, which nothing takes back")
            }
            try privacy.restore(saved, state.tensors["pool"] ?? [], for: model.configuration)
        }
        let isSameBeginning = progress.began == Method(configuration)
        do {
            if isSameBeginning, progress.method != method { try adopt(progress.method) }
        } catch {
            throw Optimizer.StateError(description: error.description)
        }
        try optimizer.restore(.init(progress: progress.optimizer, tensors: state.tensors(under: "optimizer.")))
        if let average, let numbers = try state.numbers("average", average.average.values.count) {
            average.restore(numbers, updates: progress.averages)
        }
        try graph.strategies.restore(state.strategies)
        if let saved = progress.trial, isSameBeginning, let weights = try state.numbers("trial.parameters", parameters.values.count) {
            trial = SwitchTrial(
                method: saved.method, optimizer: .init(progress: saved.optimizer, tensors: state.tensors(under: "trial.optimizer.")),
                parameters: weights, average: state.tensors["trial.average"] ?? [], baseline: saved.baseline, moments: saved.moments,
                labelled: saved.labelled, sum: saved.sum)
        }
        labelled = progress.labelled ?? progress.moments
        (moments, steps, random, memory) = (progress.moments, progress.steps, progress.random, unpacked)
        recentLoss = progress.recentLoss.isFinite ? progress.recentLoss : 0
    }
}

extension OnlineLearner.State.Progress {
    /// An implausible value in a file; nil if there is none.
    var problem: String? {
        let counts =
            [moments, steps, labelled ?? 0, averages, trial?.moments ?? 0, trial?.labelled ?? 0]
            + [optimizer, trial?.optimizer].compactMap { $0 }.flatMap { [$0.steps, $0.skipped] }
        if let wrong = counts.first(where: { !(0...Self.largest).contains($0) }) { return "a count of the learner is \(wrong)" }
        if let wrong = [optimizer, trial?.optimizer].compactMap({ $0?.rateScale }).first(where: { !($0.isFinite && $0 > 0) }) {
            return "the rate is scaled by \(wrong)"
        }
        return nil
    }

    /// The largest plausible count.
    private static let largest = 1 << 53
}

extension OnlineLearner.State {
    /// The tensors whose names begin with a prefix, by their names without it.
    func tensors(under prefix: String) -> [String: [Float]] {
        Dictionary(
            uniqueKeysWithValues: tensors.filter { $0.key.hasPrefix(prefix) }.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
    }

    /// The states of strategies, by name.
    var strategies: [String: StrategyState] {
        if let saved = progress.strategies {
            return Dictionary(
                uniqueKeysWithValues: saved.map { ($0, StrategyState(progress: $1, tensors: tensors(under: "strategy.\($0)."))) })
        }
        var before = [Distillation.name: StrategyState(tensors: tensors.filter { $0.key == "teacher" })]
        if let consolidation = progress.consolidation {
            before[ElasticConsolidation.name] = StrategyState(progress: consolidation, tensors: tensors(under: "elastic."))
        }
        return before
    }

    /// - Returns: the tensor's numbers; nil if there is no such tensor.
    func numbers(_ name: String, _ count: Int) throws(Optimizer.StateError) -> [Float]? {
        guard let numbers = tensors[name] else { return nil }
        guard numbers.count == count else { throw .init(description: "\(name) holds \(numbers.count) numbers, not \(count)") }
        return numbers
    }
}
