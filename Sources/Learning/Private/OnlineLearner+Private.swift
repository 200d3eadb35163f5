import Model
import Privacy
import Statistics

/// Learning with differential privacy: moments join a pool, and steps are made of what is drawn from it.
extension OnlineLearner {
    /// What was spent; nil where learning is not private.
    public var privacyLedger: PrivacyLedger? { privacy?.ledger }
    /// Whether the budget is spent, so that nothing more is learned.
    public var isBudgetSpent: Bool { privacy?.isSpent ?? false }
    /// Why the newest private step was not made though it was allowed: it could not be counted.
    public var privacyProblem: String? { privacy?.problem }

    /// Goes on counting from what was spent before, where that is more.
    /// - Parameter counting: called with what a step will have spent before it is made; an error prevents the step.
    /// - Throws: `Optimizer.StateError` where it is about another unit.
    public func spend(
        from earlier: PrivacyLedger?, counting: @escaping (PrivacyLedger) throws -> Void
    ) throws(Optimizer.StateError) {
        if let earlier { try privacy?.goOn(from: earlier) }
        privacy?.willStep = counting
    }

    /// Refuses what is not accounted for.
    static func requirePlain(_ mix: StrategyMix) throws(SettingsError) {
        try SettingsError.require(
            mix.isPlain, "strategy",
            "with privacy.learning, what a strategy remembers or adds is not accounted for; there are er, always, heads, trunk")
    }

    /// Predicts a moment, adds it to the pool, and makes a step if one is due.
    func learn(
        _ moment: MomentInput, source: String, by privacy: PrivateSteps, reading: (MultimodalGraph<Float>) -> Void
    ) throws(MomentProblem) -> LearnOutcome? {
        do throws(MomentProblem) {
            try model.configuration.check(moment)
        } catch {
            privacy.add(nil, source: source)
            stepPrivately(by: privacy)
            throw error
        }
        guard moment.isInstructive else {
            privacy.add(nil, source: source)
            stepPrivately(by: privacy)
            return nil
        }
        graph.moments.set(moment, row: 0)
        graph.moments.forward()
        reading(graph.moments)
        var outcome = LearnOutcome(
            losses: graph.moments.losses, stepped: graph.moments.losses.total.isFinite, gradientNorm: 0, learningRate: 0, rows: 1,
            newLoss: moment.label == nil ? nil : graph.moments.classificationLoss(row: 0),
            isRight: moment.label.map { $0 == graph.mostLikely(row: 0) }, logits: graph.logits(row: 0))
        privacy.add(moment, source: source)
        moments += 1
        if let step = stepPrivately(by: privacy) { (outcome.gradientNorm, outcome.learningRate) = (step.gradientNorm, step.learningRate) }
        return outcome
    }

    @discardableResult
    private func stepPrivately(by privacy: PrivateSteps) -> Optimizer.Outcome? {
        guard privacy.makeGradient(put: { put($0, row: 0) }) else { return nil }
        let step = optimizer.step()
        if step.stepped {
            steps += 1
            average?.update(from: parameters)
        }
        return step
    }
}

extension StrategyMix {
    /// Whether steps are those of the loss alone, of moments that are chosen outside of the strategies.
    public var isPlain: Bool { parts.allSatisfy { $0 is ExperienceReplay || $0 is PartialLearning } }

    /// Whether steps are those of the loss alone, so that they can be made again from their rows to explain a version.
    public var isExplainable: Bool { parts.allSatisfy { $0 is ExperienceReplay || $0 is PartialLearning || $0 is NoUpdates } }
}
