import Foundation

/// Ratings alone, as in `StudentModel`: the baseline that Elo gives.
public struct RatingBaseline {
    private var everyone: [Int: Float] = [:], items: [Int: (rating: Float, count: Float)] = [:]
    private var counts: [Int: Float] = [:]
    private var answer: StudentAnswer?
    private var probability: Float = 0.5

    public init() {}

    /// The probability that an answer is right.
    public mutating func predict(_ answer: StudentAnswer) -> Float {
        self.answer = answer
        probability = squash((everyone[answer.student] ?? 0) + (items[answer.item]?.rating ?? 0))
        return probability
    }

    /// Learns whether the answer predicted last is right.
    public mutating func learn(_ isCorrect: Bool) {
        guard let answer else { return }
        let error = (isCorrect ? 1 : 0) - probability, count = counts[answer.student] ?? 0
        everyone[answer.student, default: 0] += error * 0.8 / (1 + 0.04 * count)
        counts[answer.student] = count + 1
        let item = items[answer.item] ?? (0, 0)
        items[answer.item] = (item.rating + error * 0.8 / (1 + 0.04 * item.count), item.count + 1)
    }
}

/// Logistic regression by Adagrad on the item, the skill, and the numbers of right and wrong answers so far, in all and in the skill.
/// Source: Gervet et al. 2020, When is Deep Learning the Best Approach to Knowledge Tracing?, https://doi.org/10.5281/zenodo.4143614
public struct LogisticBaseline {
    private var logistic: AdagradLogistic
    private var all: [Int: (right: Float, wrong: Float)] = [:]
    private var inSkill: [UInt64: (right: Float, wrong: Float)] = [:]
    private var answer: StudentAnswer?

    public init() {
        var settings = AdagradLogistic.Configuration()
        (settings.rate, settings.denseRate, settings.start, settings.denseStart) = (0.3, 0.3, 1, 1)
        logistic = AdagradLogistic(inputs: 5, settings)
    }

    /// The probability that an answer is right.
    public mutating func predict(_ answer: StudentAnswer) -> Float {
        self.answer = answer
        let total = all[answer.student] ?? (0, 0), own = inSkill[key(answer.student, answer.skill)] ?? (0, 0)
        let x = [1] + [total.right, total.wrong, own.right, own.wrong].map { log(1 + $0) }
        return squash(logistic.predict(x, keys: [key(1, answer.item), key(2, answer.skill)]))
    }

    /// Learns whether the answer predicted last is right.
    public mutating func learn(_ isCorrect: Bool) {
        guard let answer else { return }
        logistic.learn(isCorrect)
        all[answer.student, default: (0, 0)].right += isCorrect ? 1 : 0
        all[answer.student, default: (0, 0)].wrong += isCorrect ? 0 : 1
        inSkill[key(answer.student, answer.skill), default: (0, 0)].right += isCorrect ? 1 : 0
        inSkill[key(answer.student, answer.skill), default: (0, 0)].wrong += isCorrect ? 0 : 1
    }
}
