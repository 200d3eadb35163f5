import Learning
import Model
import Privacy
import Statistics
import StrictJSON

/// A learner that takes a step every few moments after the first ones, with privacy or without, by the same number of steps and rows. The
/// trunk, whose words are not learned here, is frozen: it would get noise only.
struct PrivateTrainer {
    struct Settings {
        var batch, start, every: Int
        var clip, delta, rate: Double
        /// What learns: a name in `parameterScopes`.
        var scope: String
    }

    let learner: OnlineLearner
    /// σ; 0 without privacy.
    private(set) var noise = 0.0
    private let settings: Settings

    /// - Parameters:
    ///   - epsilon: the budget; nil: without privacy.
    ///   - steps: for which the budget has to last.
    init(_ settings: Settings, _ model: MultimodalModel, epsilon: Double?, steps: Int, seed: UInt64) throws {
        var learning = OnlineLearner.Configuration(), privacy = PrivacySettings()
        (learning.languageRows, learning.replayed, learning.memory) = (0, settings.batch - 1, Self.pool)
        (learning.memoryBytes, learning.trunk, learning.strategySettings) = (1 << 28, "frozen", ["scope": .string(settings.scope)])
        learning.optimizerSettings = ["learning_rate": .number(settings.rate)]
        if let epsilon {
            privacy.learning.enabled = true
            (privacy.learning.epsilon, privacy.learning.delta, privacy.learning.clip) = (epsilon, settings.delta, settings.clip)
            (privacy.learning.batch, privacy.learning.start, privacy.learning.pool) = (settings.batch, settings.start, Self.pool)
            privacy.learning.every = settings.every
            noise = try Self.noise(settings, epsilon: epsilon, steps: steps)
            privacy.learning.noise = noise
        }
        self.settings = settings
        learner = try OnlineLearner(model, learning, seed: seed, privacy: privacy)
    }

    /// More than any stream here, so that every moment stays in the pool.
    private static let pool = 4_096

    /// Predicts and then learns each moment.
    /// - Returns: whether its label was predicted.
    func learn(_ moments: [MomentInput]) throws -> [Bool] {
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
        return try moments.map { moment in
            let held = learner.memorySlots.count
            serving.set(moment, row: 0)
            serving.forward()
            let isRight = serving.prediction(row: 0).decided == moment.label
            if noise == 0, held + 1 < settings.start || (held + 1 - settings.start) % settings.every != 0 {
                _ = try learner.remember(moment)
            } else {
                try learner.learn(moment)
            }
            return isRight
        }
    }

    /// The least noise, to a thousandth, with which the budget lasts.
    private static func noise(_ settings: Settings, epsilon: Double, steps: Int) throws -> Double {
        func spent(_ noise: Double) throws -> Double {
            var accountant = PrivacyAccountant()
            // The rate falls as the pool grows; of each block of steps the greatest is taken.
            for first in stride(from: 0, to: steps, by: 25) {
                let rate = min(1, Double(settings.batch) / Double(settings.start + first * settings.every))
                accountant.add(try SampledGaussian(samplingRate: rate, noise: noise), steps: UInt64(min(25, steps - first)))
            }
            return try accountant.spent(delta: settings.delta).epsilon
        }
        var (low, high) = (0.1, 100.0)
        while high - low > 1e-3 {
            let middle = (low * high).squareRoot()
            if try spent(middle) <= epsilon { high = middle } else { low = middle }
        }
        return high
    }
}
