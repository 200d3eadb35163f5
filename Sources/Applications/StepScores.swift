import Foundation
import Statistics

/// How well next steps and errors were predicted.
public struct StepScores: Sendable {
    /// Sums over all steps, the recipe's list of steps being known; and not being known, where a step that no session of the recipe had
    /// counts as missed, and its probability is that of any such step.
    public private(set) var steps = 0
    private var first = 0, firstThree = 0, cost = 0.0
    private var firstSeen = 0, firstThreeSeen = 0, costSeen = 0.0
    public private(set) var errors = BinaryScores()

    public init() {}

    mutating func add(_ probabilities: [Float], chosen: Int, seen: [Bool]) {
        let order = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
        let cost = { (p: Float) in -log(Double(max(1e-6, p))) }
        steps += 1
        first += order.first == chosen ? 1 : 0
        firstThree += order.prefix(3).contains(chosen) ? 1 : 0
        self.cost += cost(probabilities[chosen])
        let known = order.filter { seen[$0] }
        firstSeen += known.first == chosen ? 1 : 0
        firstThreeSeen += known.prefix(3).contains(chosen) ? 1 : 0
        let unseen = probabilities.indices.reduce(Float(0)) { $0 + (seen[$1] ? 0 : probabilities[$1]) }
        costSeen += cost(seen[chosen] ? probabilities[chosen] : unseen)
    }

    mutating func add(error probability: Float, happened: Bool) { errors.add(probability: probability, happened: happened) }

    /// The share of steps predicted first, among the first three, and the mean of −ln p.
    public var figures: (top1: Double, top3: Double, nll: Double) { shares(first, firstThree, cost) }
    /// The same without the recipe's list of steps.
    public var figuresWithoutList: (top1: Double, top3: Double, nll: Double) { shares(firstSeen, firstThreeSeen, costSeen) }

    private func shares(_ first: Int, _ three: Int, _ cost: Double) -> (top1: Double, top3: Double, nll: Double) {
        let n = Double(max(1, steps))
        return (Double(first) / n, Double(three) / n, cost / n)
    }
}

/// What followed the last step in earlier sessions, one added to each count; steps that are done hardly count.
public struct StepBigram {
    private let book: RecipeBook
    private var counts: [UInt64: Float] = [:]

    public init(_ book: RecipeBook) { self.book = book }

    /// Predicts every step of the sessions, then learns it.
    public mutating func read(_ sessions: [CookingSession]) -> StepScores {
        var scores = StepScores()
        var seen: [String: Set<Int>] = [:]
        for session in sessions {
            let ids = book.steps[session.recipe]?.map(\.id) ?? []
            let recipe = session.recipe.utf8.reduce(UInt64(0)) { mixed($0 ^ UInt64($1)) }
            var done: Set<Int> = [], last = -1
            for step in session.steps {
                guard let chosen = ids.firstIndex(of: step.id) else { continue }
                let weights = ids.map { done.contains($0) ? 0.01 : 1 + (counts[recipe ^ key(last, $0)] ?? 0) }
                let sum = weights.reduce(0, +)
                scores.add(weights.map { $0 / sum }, chosen: chosen, seen: ids.map { seen[session.recipe]?.contains($0) ?? false })
                counts[recipe ^ key(last, step.id), default: 0] += 1
                done.insert(step.id)
                seen[session.recipe, default: []].insert(step.id)
                last = step.id
            }
        }
        return scores
    }
}
