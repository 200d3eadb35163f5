import Model
import Statistics
import StrictJSON
import Tensors

extension OnlineLearner {
    /// Uses another optimiser from the next step. Moments that both optimisers have (Adam and LAMB) are kept.
    ///
    /// The switch is on trial for `trialMoments`: if the loss of new moments rises by more than `trialMargin`, or a gradient is not
    /// finite, the learner returns to the weights, optimiser and strategy before the switch, and the outcome of that moment has the
    /// reason in `reverted`.
    ///
    /// - Parameters:
    ///   - name: a name in `optimizers`.
    ///   - settings: settings that replace the optimiser's defaults.
    /// - Throws: `SettingsError`, if the name or a setting is invalid.
    public func switchOptimizer(to name: String, settings: JSON = .object([:])) throws(SettingsError) {
        var next = method
        (next.optimizer, next.optimizerSettings) = (name, settings)
        try change(to: next)
    }

    /// Uses another strategy, or several separated by commas, from the next step; on trial as in `switchOptimizer`. The memory is kept.
    ///
    /// - Parameters:
    ///   - names: names in `strategies`.
    ///   - settings: settings that replace the strategies' defaults.
    /// - Throws: `SettingsError`, if a name or a setting is invalid.
    public func switchStrategy(to names: String, settings: JSON = .object([:])) throws(SettingsError) {
        var next = method
        (next.strategy, next.strategySettings) = (names, settings)
        try change(to: next)
    }

    /// Multiplies the learning rate by a factor; it stays within 1/64 … 64 of the rule's rate.
    public func scaleRate(by factor: Double) {
        guard factor.isFinite, factor > 0, (optimizer.rateScale * factor).isFinite else { return }
        optimizer.rateScale = min(64, max(1.0 / 64, optimizer.rateScale * factor))
    }

    /// Replaces the learned weights and resets the optimiser's moments.
    public func rollBack(to weights: ParameterStore<Float>) {
        parameters.assign(from: weights)
        average?.average.assign(from: weights)
        let rate = optimizer.rateScale
        optimizer = Optimizer(optimizer.rule, parameters: parameters, gradients: graph.moments.gradients, team: team)
        optimizer.rateScale = rate
        trial = nil
    }

    /// Goes on from weights on which several learners have agreed. The optimiser's moments stay; strategies that retain weights retain
    /// these from now on.
    public func adopt(_ weights: ParameterStore<Float>) {
        parameters.assign(from: weights)
        average?.average.assign(from: weights)
        consolidate()
    }

    /// Removes all remembered moments of a source.
    /// - Returns: how many there were.
    @discardableResult
    public func forget(source: String) -> Int { privacy?.pool.forget(source: source) ?? memory.removeAll(from: source) }

    /// The number of moments that were candidates for the memory so far.
    public var momentsSeen: Int { memory.seen.total }

    /// Removes the remembered moments from a value of `momentsSeen` on; returns how many there were.
    func forget(since count: Int) -> Int { memory.removeAll { $0.serial >= count } }

    /// Descriptions of the remembered moments.
    public var memorySlots: [ReplaySlot] { memory.slots }
    /// The approximate size of the remembered moments, in bytes.
    public var memoryBytes: Int { privacy?.pool.bytes ?? memory.bytes }

    private func change(to next: Method) throws(SettingsError) {
        try SettingsError.require(
            privacy == nil, "privacy.learning", "a change would be on trial by losses of moments, which are not accounted for")
        _ = try (next.rule(from: lists), next.mix(from: lists))
        trial = SwitchTrial(
            method: method, optimizer: optimizer.state, parameters: Array(parameters.values),
            average: average.map { Array($0.average.values) } ?? [],
            baseline: labelled > 0 ? recentLoss : nil)
        try adopt(next)
    }

    /// Creates the optimiser of a method and, if the strategy differs, records a new graph.
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

    /// Reverts a switch on trial that has made the loss worse.
    /// - Returns: the reason, if it was reverted.
    func evaluateTrial(by outcome: LearnOutcome) -> String? {
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
            return "a switch could not be reverted: \(error)"  // not reached: the method was in use before, so it is valid
        }
        _ = parameters.values.update(from: trial.parameters)
        if let average { _ = average.average.values.update(from: trial.average) }
        let why = outcome.stepped && mean.isFinite ? "the loss rose from \(trial.baseline ?? 0) to \(mean)" : "a gradient was not finite"
        return "\(tried.optimizer) with \(tried.strategy) reverted after \(trial.moments) moments: \(why)"
    }

    /// A trial ends after `trialMoments`, or, if there were too few labels by then, after at most `patience` times as many.
    private func isOver(_ trial: SwitchTrial) -> Bool {
        let most = configuration.trialMoments
        let isPatient = trial.labelled < SwitchTrial.fewest && trial.moments < most.clampedMultiplying(by: SwitchTrial.patience)
        return trial.moments >= most && !isPatient
    }
}

/// A switch of the method on trial, with the state before it.
struct SwitchTrial {
    var method: OnlineLearner.Method
    var optimizer: Optimizer.State
    var parameters: [Float]
    var average: [Float]
    /// The mean loss of new labels before the switch; nil if there were none.
    var baseline: Double?
    var moments = 0
    var labelled = 0
    var sum = 0.0

    /// The least number of labels of a trial, and how many times `trialMoments` it waits for them.
    static let fewest = 8, patience = 8
}
