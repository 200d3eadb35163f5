import Learning
import Privacy

/// Learning with differential privacy: what is spent, and what is said about it.
extension GuidedLearner {
    /// Goes on counting from what the file of a directory says was spent, and counts each step there before it is made.
    /// - Throws: where what was spent cannot be read, or is about another unit.
    func countSpending(in directory: String) throws {
        guard settings.privacy.learning.enabled else { return }
        let file = PrivacyLedgerFile(directory: directory)
        try learner.spend(from: try file.read(), counting: file.write)
    }

    /// What the model has spent, in words, for its updates and their passports; nil where learning is not private.
    var privacyStatement: String? {
        learner.privacyLedger.map {
            $0.statement(delta: settings.privacy.learning.delta) + (learner.isBudgetSpent ? ", its budget: nothing more is learned" : "")
        }
    }

    /// The same in numbers, for the status.
    var privacyGauges: [String: Double] {
        guard let ledger = learner.privacyLedger else { return [:] }
        let epsilon = ledger.epsilon(delta: settings.privacy.learning.delta)
        return [
            "privacyEpsilon": epsilon.isFinite ? epsilon : -1, "privacyBudget": settings.privacy.learning.epsilon,
            "privacySteps": Double(ledger.steps), "privacySpent": learner.isBudgetSpent ? 1 : 0,
        ]
    }
}
