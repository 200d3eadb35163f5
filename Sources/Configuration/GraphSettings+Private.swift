import Learning
import Privacy
import Statistics

/// What would learn, or publish what was learned, outside of what differential privacy accounts for.
extension GraphSettings {
    var privateProblems: [SettingsError] {
        guard privacy.learning.enabled else { return [] }
        var found: [SettingsError] = []
        func refuse(_ isOn: Bool, _ key: String, _ problem: String) {
            if isOn { found.append(SettingsError(key, "\(problem), which privacy.learning does not account for")) }
        }
        // an invalid strategy has been reported already
        let mix = try? StrategyMix(named: learner.strategy, settings: learner.strategySettings)
        refuse(mix?.isPlain == false, "learner.strategy", "'\(learner.strategy.prefix(80))' remembers moments or adds to the loss")
        refuse(learner.stepsPerMoment != 1, "learner.stepsPerMoment", "takes steps from one moment")
        refuse(learn.gate.enabled, "learn.gate.enabled", "the gate decides and reports by losses of moments")
        refuse(!learn.triggers.isEmpty, "learn.triggers", "rules act and report by losses of moments")
        refuse(learn.influenceEvery > 0, "learn.influenceEvery", "what moved a version is published with the moments that did")
        refuse(learn.rememberedTokens > 0, "learn.rememberedTokens", "texts are remembered word for word and published")
        refuse(decide.isOn, "decide.policy", "policies learn from feedback and are published")
        refuse(personal.enabled, "personal.enabled", "adapters of sessions learn from their moments and are published")
        let largest = largestMomentBytes, room = learner.memoryBytes / max(1, privacy.learning.pool)
        if largest > room {
            found.append(
                SettingsError(
                    "privacy.learning.pool",
                    "\(privacy.learning.pool) moments of up to \(largest) bytes do not fit into learner.memoryBytes: \(learner.memoryBytes)"
                ))
        }
        return found
    }

    /// The size of a moment that fills all senses and the text, in bytes.
    private var largestMomentBytes: Int {
        let senses = model.senses.map { $0.rows.clampedMultiplying(by: $0.columns).clampedMultiplying(by: 4).clampedAdding(64) }
        let text = model.text.length.clampedMultiplying(by: 8)
        return senses.reduce(text.clampedAdding(64)) { $0.clampedAdding($1) }
    }
}
