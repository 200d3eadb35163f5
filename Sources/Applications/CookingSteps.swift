import Foundation
import OnlineLanguage

/// Predicts the next step of somebody who cooks by a recipe, and whether a step goes wrong, and learns from each step once.
///
/// Each step of the recipe's list gets features from what earlier sessions show: what followed the last steps, what usually comes before
/// what, where in a session a step comes, what the most similar earlier sessions did next, what this person did before; and from the
/// texts of steps, also of other recipes: which verb follows which, and whether steps share words. `GatedChoice` learns what they weigh
/// by how many sessions of the recipe were seen and by how surprising this session has been.
public struct StepModel {
    private static let features = 20, gates = 6

    private let book: RecipeBook
    private var choice: GatedChoice
    private var recipes: [String: RecipeMemory] = [:]
    private var texts = TextMemory()
    private var errors: ErrorModel
    private var recipe = "", person = ""
    private var done: [Int] = []
    /// The recent mean of how surprising this session's steps were.
    private var surprise: Float = 0
    private var probabilities: [Float] = []

    /// - Parameters:
    ///   - book: the recipes' steps.
    ///   - rate: Adagrad's rate.
    public init(_ book: RecipeBook, rate: Float = 0.06) {
        self.book = book
        var initial = [Float](repeating: 0, count: Self.features)
        (initial[0], initial[3], initial[6], initial[7], initial[8], initial[10]) = (0.3, 0.5, 0.5, 0.3, -0.5, -4)
        choice = GatedChoice(initial: initial, gates: Self.gates, rate: rate)
        errors = ErrorModel()
    }

    /// Begins a session; the one before is learned as a whole.
    public mutating func begin(recipe: String, person: String) {
        end()
        (self.recipe, self.person, done, surprise) = (recipe, person, [], 0)
        if recipes[recipe] == nil {
            let steps = book.steps[recipe] ?? []
            recipes[recipe] = RecipeMemory(steps)
            texts.add(steps)
        }
        errors.begin()
    }

    /// Learns the session as a whole.
    private mutating func end() {
        guard !done.isEmpty else { return }
        recipes[recipe]?.end(RecipeMemory.Session(person: person, steps: done))
        if let memory = recipes[recipe] { texts.end(done, of: memory.steps) }
    }

    /// The probability of each step of the recipe to be the next, in the order of the list; and which were seen in an earlier session.
    public mutating func predict() -> (probabilities: [Float], ids: [Int], seen: [Bool]) {
        guard let memory = recipes[recipe], !memory.steps.isEmpty else { return ([], [], []) }
        probabilities = choice.predict(features(memory), gates: gates(memory))
        return (probabilities, memory.steps.map(\.id), memory.positions.indices.map { !memory.positions[$0].isEmpty || done.contains($0) })
    }

    /// Learns which step was the next.
    /// - Returns: the probability that something goes wrong in it, judged when it ends, before it is known whether something did.
    public mutating func learn(_ step: CookingSession.Step) -> Float {
        guard let memory = recipes[recipe], let place = memory.places[step.id], probabilities.count == memory.steps.count else {
            return 0.5
        }
        choice.learn(place)
        let cost = -log(max(1e-6, probabilities[place]))
        let wrong = errors.predict(
            step, place: place, in: memory, done: done, cost: cost, sessionSurprise: surprise, recipe: recipe, person: person)
        surprise += 0.3 * ((min(cost, 4) - 1.2) / 1.5 - surprise)
        errors.learn(step.isWrong)

        let last = done.last ?? memory.steps.count, lastButOne = done.dropLast().last ?? memory.steps.count
        recipes[recipe]?.following[last][place] += 1
        recipes[recipe]?.skipping[lastButOne][place] += 1
        let lastTwo = pair(memory)
        recipes[recipe]?.followingTwo[lastTwo, default: [:]][place, default: 0] += 1
        recipes[recipe]?.durations[place].add(Double(Self.logDuration(step)))
        recipes[recipe]?.wrong[place].count += 1
        recipes[recipe]?.wrong[place].wrong += step.isWrong ? 1 : 0
        texts.follow(done.last.map { memory.steps[$0].verb }, memory.steps[place].verb)
        if done.count < CookingSession.stepLimit { done.append(place) }
        return wrong
    }

    /// ln of the seconds that a step took, at least one.
    static func logDuration(_ step: CookingSession.Step) -> Float { Float(log(max(1, step.end - step.start))) }

    private func pair(_ memory: RecipeMemory) -> UInt64 {
        key(done.dropLast().last ?? memory.steps.count, done.last ?? memory.steps.count)
    }

    /// One, whether 0, 1–2, 3–6 or more sessions of this recipe were seen, and how surprising this session has been.
    private func gates(_ memory: RecipeMemory) -> [Float] {
        let experience = memory.sessionCount == 0 ? 0 : memory.sessionCount < 3 ? 1 : memory.sessionCount < 7 ? 2 : 3
        return [1] + (0..<4).map { $0 == experience ? 1 : 0 } + [surprise]
    }

    // MARK: Features

    private func features(_ memory: RecipeMemory) -> [[Float]] {
        let isDone = Set(done)
        let open = memory.steps.indices.filter { !isDone.contains($0) }
        let n = Float(max(1, open.count)), none = memory.steps.count
        let position = Float(done.count) / Float(memory.steps.count)
        let following = memory.following[done.last ?? none], skipping = memory.skipping[done.dropLast().last ?? none]
        let two = memory.followingTwo[pair(memory)] ?? [:]
        let sums = (
            following: open.reduce(Float(0)) { $0 + following[$1] }, skipping: open.reduce(Float(0)) { $0 + skipping[$1] },
            two: open.reduce(Float(0)) { $0 + (two[$1] ?? 0) }
        )
        let votes = Votes(memory, done: done, isDone: isDone, person: person)
        let wordsDone = done.reduce(into: Set<String>()) { $0.formUnion(memory.steps[$1].words) }
        /// ln of a count's share of a sum over an even share, with `strength` of it.
        func share(_ count: Float, _ sum: Float, _ strength: Float) -> Float { log((count + strength / n) / (sum + strength) * n) }

        return memory.steps.indices.map { v in
            var f = [Float](repeating: 0, count: Self.features)
            guard !isDone.contains(v) else {
                (f[10], f[14]) = (1, v == done.last ? 1 : 0)
                return f
            }
            let step = memory.steps[v], seen = memory.positions[v]
            f[0] = share(following[v], sums.following, 0.5)
            f[1] = share(two[v] ?? 0, sums.two, 0.5)
            f[2] = share(skipping[v], sums.skipping, 0.5)
            let precedences = open.filter { $0 != v && !memory.positions[$0].isEmpty }.map { log(2 * memory.precedence(v, $0)) }
            if !seen.isEmpty, !precedences.isEmpty {
                f[3] = 3 * precedences.reduce(0, +) / Float(precedences.count)
                f[4] = precedences.min() ?? 0
            }
            if !seen.isEmpty { f[5] = log(density(seen, at: position, width: 0.08) / Float(seen.count) + 0.02) }
            f[6] = share(votes.continuation[v], votes.continuationSum, 0.1)
            f[7] = share(votes.first[v], votes.firstSum, 0.1)
            f[8] = seen.isEmpty ? 1 : 0
            f[9] = memory.sessionCount == 0 ? 0 : log((Float(seen.count) + 0.5) / Float(memory.sessions.count + 1))
            f[12] = votes.newest == v ? 1 : 0
            f[13] = votes.own[v] / max(1, votes.ownSum)
            let verb = texts.positions[step.verb] ?? []
            if !verb.isEmpty {
                let weight: Float = seen.isEmpty ? 1 : 0.3
                f[11] = weight * log(2 * (density(verb, at: position, width: 0.15) + 0.3) / Float(verb.count + 1))
            }
            f[15] = done.last.map { texts.overlap(step.words, memory.steps[$0].words) } ?? 0
            f[16] = done.dropLast().last.map { texts.overlap(step.words, memory.steps[$0].words) } ?? 0
            f[17] = texts.following(done.last.map { memory.steps[$0].verb }, step.verb)
            f[18] = texts.overlap(step.words, wordsDone) / 2
            f[19] = done.isEmpty ? f[11] : 0
            return f
        }
    }

    /// The sum of Gaussian bumps, one at each number.
    private func density(_ numbers: [Float], at x: Float, width: Float) -> Float {
        numbers.reduce(0) { sum, y in
            let z = (x - y) / width
            return sum + exp(-0.5 * z * z)
        }
    }
}

extension StepModel {
    /// Predicts every step of the sessions and whether it goes wrong, then learns it.
    public mutating func read(_ sessions: [CookingSession]) -> StepScores {
        var scores = StepScores()
        for session in sessions {
            begin(recipe: session.recipe, person: session.person)
            for step in session.steps {
                let (probabilities, ids, seen) = predict()
                guard let chosen = ids.firstIndex(of: step.id) else { continue }
                scores.add(probabilities, chosen: chosen, seen: seen)
                scores.add(error: learn(step), happened: step.isWrong)
            }
        }
        return scores
    }
}
