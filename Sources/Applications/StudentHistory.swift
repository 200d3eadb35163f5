/// What is known of a student: counts, recent outcomes, and how much better than expected the answers were.
struct StudentHistory {
    /// The same of one skill.
    struct Skill {
        var count: Float = 0, right: Float = 0
        /// The sum of surprises (outcome − probability by the item alone), and their exponential means at three rates.
        var surprise: Float = 0, recent: [Float] = [0, 0, 0]
        /// The last outcomes, the newest in the lowest bit.
        var outcomes = 0
        var rightRun: Float = 0, wrongRun: Float = 0
        /// The student's answers so far at the last one of this skill, and its item.
        var last: Int?, lastItem: Int?, lastNumber: Int?
        var rating: Float = 0
    }

    static let rates: [Float] = [0.5, 0.25, 0.1, 0.03], skillRates: [Float] = [0.6, 0.35, 0.15]
    /// How many answers are kept for the surprises at items of near numbers.
    static let nearLimit = 200

    var count: Float = 0, right: Float = 0
    var surprise: Float = 0, recent: [Float] = [0, 0, 0, 0]
    var outcomes = 0
    var lastItem: Int?, lastNumber: Int?, lastSkill: Int?
    /// Answers in a row of the last one's skill, and how many were right.
    var block: Float = 0, blockRight: Float = 0
    var rating: Float = 0
    var skills: [Int: Skill] = [:]
    /// The last outcome at each item.
    var items: [Int: Bool] = [:]
    /// The newest answers' items' numbers and surprises, the oldest first.
    var near: [(number: Int, surprise: Float)] = []
}

/// How many answers of some kind came, and how many were right.
struct Tally {
    var count: Float = 0, right: Float = 0

    /// The share that was right, with `strength` more at `prior`.
    func share(prior: Float, strength: Float) -> Float { (right + strength * prior) / (count + strength) }

    mutating func add(_ isCorrect: Bool) {
        count += 1
        right += isCorrect ? 1 : 0
    }
}
