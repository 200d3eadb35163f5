import Foundation
import Statistics

/// What sessions of one recipe have shown, by the steps' places in its list.
struct RecipeMemory {
    /// A session's person and steps.
    struct Session {
        var person: String
        var steps: [Int]
    }

    /// Places of steps by their ids.
    let places: [Int: Int]
    let steps: [RecipeBook.Step]
    /// How often a step came after another (the last place: after none), after the last but one, and after the last two.
    var following: [[Float]], skipping: [[Float]]
    var followingTwo: [UInt64: [Int: Float]] = [:]
    /// How often a step came before another in a session.
    var before: [[Float]]
    /// Where in a session each step came, in parts of the list's length.
    var positions: [[Float]]
    /// The newest sessions, the oldest first.
    var sessions: [Session] = []
    var sessionCount = 0
    /// How long each step took: the mean of ln of the seconds, its mean deviation, and their number; and how often it went wrong.
    var durations: [RunningMoments]
    var wrong: [(count: Float, wrong: Float)]

    static let sessionLimit = 64

    init(_ steps: [RecipeBook.Step]) {
        self.steps = steps
        places = Dictionary(uniqueKeysWithValues: steps.enumerated().map { ($0.element.id, $0.offset) })
        let zeros = [Float](repeating: 0, count: steps.count)
        following = Array(repeating: zeros, count: steps.count + 1)
        skipping = following
        before = Array(repeating: zeros, count: steps.count)
        positions = Array(repeating: [], count: steps.count)
        durations = Array(repeating: RunningMoments(), count: steps.count)
        wrong = Array(repeating: (0, 0), count: steps.count)
    }

    /// The share of sessions in which `step` comes before `other`.
    func precedence(_ step: Int, _ other: Int) -> Float {
        (before[step][other] + 0.5) / (before[step][other] + before[other][step] + 1)
    }

    mutating func end(_ session: Session) {
        var order: [Int] = []
        for step in session.steps where !order.contains(step) { order.append(step) }
        for (index, step) in order.enumerated() {
            if let position = session.steps.firstIndex(of: step) { positions[step].append(Float(position) / Float(steps.count)) }
            if positions[step].count > Self.sessionLimit { positions[step].removeFirst() }
            for later in order[(index + 1)...] { before[step][later] += 1 }
            for other in steps.indices where !order.contains(other) { before[step][other] += 0.3 }
        }
        sessions.append(session)
        if sessions.count > Self.sessionLimit { sessions.removeFirst() }
        sessionCount += 1
    }
}

/// What earlier sessions of the recipe did next, by their similarity to this one.
struct Votes {
    /// After this session's last step, and the first step that is open here.
    var continuation: [Float], first: [Float]
    /// This person's sessions alone.
    var own: [Float]
    var continuationSum: Float = 0, firstSum: Float = 0, ownSum: Float = 0
    /// What the newest session did after the last step.
    var newest: Int?

    init(_ memory: RecipeMemory, done: [Int], isDone: Set<Int>, person: String) {
        let zeros = [Float](repeating: 0, count: memory.steps.count)
        (continuation, first, own) = (zeros, zeros, zeros)
        for (index, session) in memory.sessions.enumerated() {
            let steps = session.steps
            if let (next, weight) = Self.continuation(of: steps, done: done, isDone: isDone) {
                continuation[next] += weight
                continuationSum += weight
                if session.person == person {
                    own[next] += 1
                    ownSum += 1
                }
                if index == memory.sessions.count - 1 { newest = next }
            }
            if let next = steps.first(where: { !isDone.contains($0) }) {
                let weight = done.isEmpty ? 1 : exp(4 * (Self.similarity(Set(steps.prefix(done.count)), isDone) - 1))
                first[next] += weight
                firstSum += weight
            }
        }
    }

    /// The first open step after the last one done in another session, and how alike the sessions are up to there.
    private static func continuation(of steps: [Int], done: [Int], isDone: Set<Int>) -> (Int, Float)? {
        guard let last = done.last else { return steps.first.map { ($0, 1) } }
        guard let at = steps.firstIndex(of: last), let next = steps[(at + 1)...].first(where: { !isDone.contains($0) }) else { return nil }
        var length = 1
        while length < done.count, at >= length, steps[at - length] == done[done.count - 1 - length] { length += 1 }
        let alike = similarity(Set(steps[...at]), isDone)
        return (next, exp(3 * alike + 0.7 * Float(min(length, 5)) - 5))
    }

    private static func similarity(_ a: Set<Int>, _ b: Set<Int>) -> Float {
        Float(a.intersection(b).count) / Float(max(1, a.union(b).count))
    }
}

/// What the texts of steps tell across recipes.
struct TextMemory {
    /// Where steps with a verb come in a session.
    private(set) var positions: [String: [Float]] = [:]
    /// How often a verb came, by the one before it.
    private var pairs: [String: [String: Float]] = [:], sums: [String: Float] = [:], counts: [String: Float] = [:], total: Float = 0
    /// How many steps of the lists have a word.
    private var frequencies: [String: Float] = [:], steps: Float = 0

    /// Bounds of the number of verbs and words, and of positions of a verb.
    private static let verbLimit = 4096, wordLimit = 1 << 16, positionLimit = 256

    mutating func add(_ list: [RecipeBook.Step]) {
        for word in list.flatMap(\.words) where frequencies.count < Self.wordLimit || frequencies[word] != nil {
            frequencies[word, default: 0] += 1
        }
        steps += Float(list.count)
    }

    mutating func end(_ session: [Int], of list: [RecipeBook.Step]) {
        var seen: Set<Int> = []
        for (index, step) in session.enumerated() where seen.insert(step).inserted {
            let verb = list[step].verb
            guard positions[verb] != nil || positions.count < Self.verbLimit else { continue }
            positions[verb, default: []].append(Float(index) / Float(list.count))
            if positions[verb, default: []].count > Self.positionLimit { positions[verb]?.removeFirst() }
        }
    }

    mutating func follow(_ last: String?, _ verb: String) {
        guard counts[verb] != nil || counts.count < Self.verbLimit else { return }
        pairs[last ?? "", default: [:]][verb, default: 0] += 1
        sums[last ?? "", default: 0] += 1
        counts[verb, default: 0] += 1
        total += 1
    }

    /// ln of how often a verb follows another, over one in thirty; 0 if the other has never come.
    func following(_ last: String?, _ verb: String) -> Float {
        guard let sum = sums[last ?? ""] else { return 0 }
        let prior = 0.5 * (counts[verb] ?? 0) / (1 + total) + 0.02
        return log(((pairs[last ?? ""]?[verb] ?? 0) + prior) / (sum + 0.5) * 30)
    }

    /// How much of the words of one step is in others, rare words counting more; 0…2.
    func overlap(_ words: Set<String>, _ others: Set<String>) -> Float {
        func weight(_ word: String) -> Float { log((steps + 1) / max(1, frequencies[word] ?? 1)) / 3 }
        // In alphabetical order, so that sums do not depend on the order of a set.
        let shared = words.intersection(others).sorted().reduce(Float(0)) { $0 + weight($1) }
        return 2 * shared / (1 + words.sorted().reduce(Float(0)) { $0 + weight($1) })
    }
}
