import Foundation

/// Whether something goes wrong in a step, judged when it ends.
struct ErrorModel {
    private static let inputs = 19

    private var logistic: AdagradLogistic
    private var overall: (count: Float, wrong: Float) = (3, 1)
    private var recent: Float = 0.3
    private var people: [String: (count: Float, wrong: Float)] = [:]
    private var session: (count: Float, wrong: Float) = (0, 0)
    private var lastWasWrong = false
    private var lastEnd: Double?
    private var person = ""

    private static let personLimit = 4096

    init() {
        var settings = AdagradLogistic.Configuration()
        (settings.denseRate, settings.rate, settings.tableBits) = (0.1, 0.1, 16)
        logistic = AdagradLogistic(inputs: Self.inputs, settings)
    }

    mutating func begin() { (session, lastWasWrong, lastEnd) = ((0, 0), false, nil) }

    mutating func predict(
        _ step: CookingSession.Step, place: Int, in memory: RecipeMemory, done: [Int], cost: Float, sessionSurprise: Float,
        recipe: String, person: String
    ) -> Float {
        self.person = person
        let prior = overall.wrong / overall.count
        func logit(_ tally: (count: Float, wrong: Float), _ strength: Float) -> Float {
            smoothedLogit(tally.wrong, of: tally.count, prior: prior, strength: strength)
        }
        let all = memory.wrong.reduce((Float(0), Float(0))) { ($0.0 + $1.count, $0.1 + $1.wrong) }
        let usual = memory.durations[place], duration = StepModel.logDuration(step)
        let deviation = usual.count == 0 ? 0 : max(-3, min(3, duration - Float(usual.mean)))
        let isDone = Set(done)
        // Steps that mostly come before this one and are open, and those that mostly come after it and are done.
        let known = memory.steps.indices.filter { $0 != place && !memory.positions[$0].isEmpty && !memory.positions[place].isEmpty }
        let early = known.filter { !isDone.contains($0) && memory.precedence($0, place) > 0.8 }.count
        let late = known.filter { isDone.contains($0) && memory.precedence(place, $0) > 0.8 }.count
        let pause = lastEnd.map { Float(max(-60, min(300, step.start - $0))) } ?? 0
        lastEnd = step.end
        let x: [Float] = [
            1, min(cost, 6) / 2, sessionSurprise, logit(session, 2), log(1 + session.wrong), session.count == 0 ? 1 : 0,
            lastWasWrong ? 1 : 0, logit(memory.wrong[place], 3), logit(all, 5), logit(people[person] ?? (0, 0), 10), 3 * recent - 1,
            deviation, abs(deviation), log(1 + Float(early)), log(1 + Float(late)), isDone.contains(place) ? 1 : 0,
            Float(done.count) / Float(memory.steps.count), pause / 60, duration - 3.5,
        ]
        let order = early + late > 0 ? 1 : 0
        let recipeKey = recipe.utf8.reduce(UInt64(0)) { mixed($0 ^ UInt64($1)) }
        let personKey = person.utf8.reduce(UInt64(0)) { mixed($0 ^ UInt64($1)) }
        return squash(
            logistic.predict(
                x,
                keys: [
                    recipeKey, mixed(personKey ^ 1), mixed(recipeKey ^ UInt64(place + 2)), mixed(recipeKey ^ mixed(personKey ^ 2)),
                    key(order, lastWasWrong ? 1 : 0, Int(min(session.wrong, 3))),
                ]))
    }

    mutating func learn(_ isWrong: Bool) {
        logistic.learn(isWrong)
        let wrong: Float = isWrong ? 1 : 0
        overall = (overall.count + 1, overall.wrong + wrong)
        session = (session.count + 1, session.wrong + wrong)
        recent += 0.03 * (wrong - recent)
        if people[person] != nil || people.count < Self.personLimit {
            people[person, default: (0, 0)].count += 1
            people[person, default: (0, 0)].wrong += wrong
        }
        lastWasWrong = isWrong
    }
}
