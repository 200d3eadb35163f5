import Model
import Statistics
import Tensors

extension OnlineLearner {
    /// Goes on with another optimiser from the next step. Moments that both keep (Adam's and LAMB's) are carried over.
    ///
    /// The switch is on trial for `trialMoments`: where the loss of new moments rises by more than `trialMargin`, or a gradient is not finite, the learner
    /// goes back to the weights, optimiser and strategy from before, and the outcome of that moment says so in `reverted`.
    public func switchOptimizer(to name: String, settings: JSONValue = .object([:])) throws(SettingsError) {
        var next = method
        (next.optimizer, next.optimizerSettings) = (name, settings)
        try change(to: next)
    }

    /// Goes on with another strategy, or several joined by commas, from the next step; on trial as an optimiser is. The memory stays.
    public func switchStrategy(to names: String, settings: JSONValue = .object([:])) throws(SettingsError) {
        var next = method
        (next.strategy, next.strategySettings) = (names, settings)
        try change(to: next)
    }

    /// Multiplies the learning rate, within 1/64 … 64 of the rule's.
    public func scaleRate(by factor: Double) {
        guard factor.isFinite, factor > 0, (optimizer.rateScale * factor).isFinite else { return }
        optimizer.rateScale = min(64, max(1.0 / 64, optimizer.rateScale * factor))
    }

    /// Puts other weights in the place of those that were learned; the optimiser forgets where it was going.
    public func rollBack(to weights: ParameterStore<Float>) {
        parameters.assign(from: weights)
        average?.average.assign(from: weights)
        let rate = optimizer.rateScale
        optimizer = Optimizer(optimizer.rule, parameters: parameters, gradients: graph.moments.gradients, team: team)
        optimizer.rateScale = rate
        trial = nil
    }

    /// Forgets everything a source sent; how many moments that were.
    @discardableResult
    public func forget(source: String) -> Int { memory.removeAll(from: source) }

    /// Moments that its memory was ever offered.
    var momentsOffered: Int { memory.seen.total }

    /// Forgets what was remembered after so many moments had been offered; how many moments that were.
    func forget(since offered: Int) -> Int { memory.removeAll { $0.serial >= offered } }

    /// What is remembered, without looking at it.
    public var memorySlots: [ReplaySlot] { memory.slots }
    public var memoryBytes: Int { memory.bytes }

    private func change(to next: Method) throws(SettingsError) {
        _ = try (next.rule(from: lists), next.mix(from: lists))
        trial = SwitchTrial(
            method: method, optimizer: optimizer.state, parameters: Array(parameters.values),
            average: average.map { Array($0.average.values) } ?? [],
            baseline: labelled > 0 ? recentLoss : nil)
        try adopt(next)
    }

    /// Records and binds anew what the method asks for.
    func adopt(_ next: Method) throws(SettingsError) {
        let rule = try next.rule(from: lists), chosen = try next.mix(from: lists), trunk = try configuration.trunkScope
        if chosen != strategy {
            let old = graph
            graph = StrategyGraph(
                model, parameters: parameters, chosen, trunk: trunk, rows: configuration.rows, languageRows: configuration.wordRows,
                team: team)
            graph.strategies.carry(from: old.strategies)
        }
        let old = optimizer
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.moments.gradients, team: team)
        optimizer.carry(from: old)
        (method, strategy) = (next, chosen)
    }

    /// Looks whether a switch has made things worse, and takes it back if so.
    func judgeSwitch(by outcome: LearnOutcome) -> String? {
        guard var trial else { return nil }
        trial.moments += 1
        if let loss = outcome.newLoss { trial.sum += loss; trial.labelled += 1 }
        let limit = trial.baseline.map { $0 * (1 + configuration.trialMargin) + 0.05 } ?? .infinity
        let mean = trial.labelled > 0 ? trial.sum / Double(trial.labelled) : 0
        let isWorse = trial.labelled >= SwitchTrial.fewest && mean > limit
        let isBad = !outcome.stepped || !outcome.losses.total.isFinite || !mean.isFinite || isWorse
        guard isBad else {
            self.trial = isOver(trial) ? nil : trial
            return nil
        }
        self.trial = nil
        let tried = method
        do {
            try adopt(trial.method)
            try optimizer.restore(trial.optimizer)
        } catch {
            return "a switch could not be taken back: \(error)"  // what was in use a moment ago is valid, so this does not come to pass
        }
        _ = parameters.values.update(from: trial.parameters)
        if let average { _ = average.average.values.update(from: trial.average) }
        let why = outcome.stepped && mean.isFinite ? "the loss rose from \(trial.baseline ?? 0) to \(mean)" : "a gradient was not finite"
        return "\(tried.optimizer) with \(tried.strategy) taken back after \(trial.moments) moments: \(why)"
    }

    /// A trial goes on until there were labels enough to judge by, where labels are few, for some times as long.
    private func isOver(_ trial: SwitchTrial) -> Bool {
        let most = configuration.trialMoments
        let isPatient = trial.labelled < SwitchTrial.fewest && trial.moments < most.clampedMultiplying(by: SwitchTrial.patience)
        return trial.moments >= most && !isPatient
    }
}

/// A switch that has yet to prove itself, and the way back.
struct SwitchTrial {
    var method: OnlineLearner.Method
    var optimizer: Optimizer.State
    var parameters: [Float]
    var average: [Float]
    /// The mean loss of new labels before; nil where there was none to compare with.
    var baseline: Double?
    var moments = 0
    var labelled = 0
    var sum = 0.0

    /// Labels that a trial is judged by at least, and how many times `trialMoments` it waits for them.
    static let fewest = 8, patience = 8
}
