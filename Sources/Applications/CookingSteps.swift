import Files
import Foundation
import OnlineLanguage
import Statistics
import StrictJSON

/// A recorded session of somebody cooking: steps of a recipe in the order in which they began.
public struct CookingSession: Sendable, Equatable {
    /// A step as it was carried out.
    public struct Step: Sendable, Equatable {
        public var id: Int
        public var text: String
        /// Seconds in the recording.
        public var start, end: Double
        /// Whether something went wrong in it.
        public var isWrong: Bool

        public init(id: Int, text: String, start: Double, end: Double, isWrong: Bool) {
            (self.id, self.text, self.start, self.end, self.isWrong) = (id, text, start, end, isWrong)
        }
    }

    public var recipe: String
    public var person: String
    public var steps: [Step]

    public init(recipe: String, person: String, steps: [Step]) {
        (self.recipe, self.person, self.steps) = (recipe, person, steps)
    }

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Bounds of a file, of a session's steps and of a recipe's, and of a text in bytes.
    public static let byteLimit = 1 << 28, stepLimit = 512, textLimit = 1024

    /// Reads sessions from JSON lines, as the annotations of CaptainCook4D are joined: `recipe`, `person` and `steps`, each with `id`,
    /// `start`, `end`, `text` and, where something went wrong, `errors`.
    ///
    /// A step that was left out has a negative start; it is no event, and is passed over.
    /// - Throws: what is wrong, in one sentence with its line.
    public static func read(path: String) throws -> [CookingSession] {
        let bytes: [UInt8]
        do { bytes = try readFile(path, atMost: byteLimit, streams: true) } catch {
            throw Failure(description: "cannot read \(path): \(error.cause)")
        }
        var sessions: [CookingSession] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { continue }
            do { sessions.append(try CookingSession(JSON(parsing: line))) } catch {
                throw Failure(description: "\(path), line \(index + 1): \(error)")
            }
        }
        guard sessions.contains(where: { !$0.steps.isEmpty }) else { throw Failure(description: "\(path) has no steps") }
        return sessions
    }

    private init(_ json: JSON) throws {
        func text(_ key: String) throws -> String {
            guard let text = json[key]?.string ?? json[key]?.integer.map(String.init), text.utf8.count <= Self.textLimit else {
                throw Failure(description: "'\(key)' should be a text of at most \(Self.textLimit) bytes, or an integer")
            }
            return text
        }
        (recipe, person) = (try text("recipe"), try text("person"))
        guard let steps = json["steps"]?.array, steps.count <= Self.stepLimit else {
            throw Failure(description: "'steps' should be a list of at most \(Self.stepLimit)")
        }
        self.steps = try steps.compactMap { step in
            guard let id = step["id"]?.integer else { throw Failure(description: "a step has no integer 'id'") }
            guard let start = step["start"]?.double, let end = step["end"]?.double, abs(start) < Self.timeLimit, abs(end) < Self.timeLimit
            else { throw Failure(description: "step \(id) has no 'start' and 'end' within \(Int(Self.timeLimit)) seconds") }
            let text = step["text"]?.string ?? ""
            guard text.utf8.count <= Self.textLimit else {
                throw Failure(description: "step \(id) has a text of more than \(Self.textLimit) bytes")
            }
            return start < 0 ? nil : Step(id: id, text: text, start: start, end: end, isWrong: step["errors"]?.array?.isEmpty == false)
        }
    }

    /// The latest time in a recording, in seconds.
    private static let timeLimit = 1e7
}

/// The recipes' lists of steps, which whoever guides a cook has: ids and texts, in the order of the ids, which tells nothing about the
/// order of the steps.
public struct RecipeBook: Sendable {
    fileprivate struct Step: Sendable {
        var id: Int
        /// The first word of the text, which is mostly a verb, and its other words.
        var verb: String
        var words: Set<String>
    }

    fileprivate private(set) var steps: [String: [Step]] = [:]

    /// Collects the steps of all sessions.
    /// - Throws: if a recipe has more than `CookingSession.stepLimit` steps.
    public init(_ sessions: [CookingSession]) throws {
        var texts: [String: [Int: String]] = [:]
        for session in sessions {
            for step in session.steps where texts[session.recipe]?[step.id] == nil {
                texts[session.recipe, default: [:]][step.id] = step.text
            }
        }
        for (recipe, list) in texts {
            guard list.count <= CookingSession.stepLimit else {
                throw CookingSession.Failure(description: "'\(recipe)' has \(list.count) steps, more than \(CookingSession.stepLimit)")
            }
            steps[recipe] = list.sorted { $0.key < $1.key }.map { id, text in
                let words = Self.words(of: text)
                return Step(id: id, verb: words.first ?? "", words: Set(words.dropFirst()))
            }
        }
    }

    private static let common: Set<String> = [
        "the", "a", "an", "of", "in", "to", "and", "on", "with", "for", "it", "until", "into", "from", "or", "is", "be", "you", "will",
        "about", "at",
    ]

    private static func words(of text: String) -> [String] {
        text.lowercased().split { !("a"..."z").contains($0) }.map(String.init).filter { !common.contains($0) }.map { word in
            word.hasSuffix("s") ? String(word.dropLast()) : word
        }
    }
}

/// What sessions of one recipe have shown, by the steps' places in its list.
private struct RecipeMemory {
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
    fileprivate static func logDuration(_ step: CookingSession.Step) -> Float { Float(log(max(1, step.end - step.start))) }

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

/// What earlier sessions of the recipe did next, by their similarity to this one.
private struct Votes {
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
private struct TextMemory {
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

/// Whether something goes wrong in a step, judged when it ends.
private struct ErrorModel {
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
