import Foundation
import OnlineLanguage
import Statistics

/// Predicts whether a student answers right, and learns from each answer once.
///
/// Three learners see the same inputs, which describe the item, the skill and the student's history: a logistic regression with
/// indicators, one without, and a small network with learned vectors of items and skills. A mixer whose weights depend on how long the
/// student and the item are known combines them.
public struct StudentModel {
    /// Settings, chosen by `Reports/applications.md`.
    public struct Configuration: Sendable {
        public var logistic: AdagradLogistic.Configuration
        public var network = OnlineNetwork.Configuration()
        public var mixingRate: Float = 0.002
        /// The most entries of each table of tallies; one more replaces the oldest.
        public var tallyLimit = 1 << 20

        public init() {
            logistic = AdagradLogistic.Configuration()
            (logistic.rate, logistic.denseRate) = (0.1, 0.03)
        }
    }

    private static let inputs = 48

    private let settings: Configuration
    private var withIndicators: AdagradLogistic, withoutIndicators: AdagradLogistic, network: OnlineNetwork
    private let mixer: ExpertMixer
    private var everything = Tally(count: 3, right: 2)
    private var items: RecentTable<Int, Tally>, skills: RecentTable<Int, Tally>
    /// Of an item after another item and its outcome; of a skill after outcomes in it.
    private var afterItem: RecentTable<UInt64, Tally>, afterOutcomes: RecentTable<UInt64, Tally>
    private var itemRatings: RecentTable<Int, Float>, skillRatings: RecentTable<Int, Float>
    private var history = StudentHistory()
    private var student: Int?
    private var answer = StudentAnswer(student: 0, item: 0, skill: 0, isCorrect: false)
    private var byItem: Float = 0.5, byRating: Float = 0.5

    public init(_ configuration: Configuration = Configuration(), seed: UInt64) {
        settings = configuration
        var random = RandomSource(seed: seed)
        withIndicators = AdagradLogistic(inputs: Self.inputs, configuration.logistic)
        var plain = configuration.logistic
        plain.tableBits = 0
        withoutIndicators = AdagradLogistic(inputs: Self.inputs, plain)
        network = OnlineNetwork(inputs: Self.inputs, kinds: 2, configuration.network, random: &random)
        mixer = ExpertMixer(experts: 3, choices: [1, 8, 8], rate: configuration.mixingRate)
        items = RecentTable(capacity: configuration.tallyLimit)
        skills = RecentTable(capacity: configuration.tallyLimit)
        afterItem = RecentTable(capacity: configuration.tallyLimit)
        afterOutcomes = RecentTable(capacity: configuration.tallyLimit)
        itemRatings = RecentTable(capacity: configuration.tallyLimit)
        skillRatings = RecentTable(capacity: configuration.tallyLimit)
    }

    /// The probability that an answer is right; its outcome is not looked at. A student's answers follow each other: another student's
    /// answer begins a new session.
    public mutating func predict(_ answer: StudentAnswer) -> Float {
        if student != answer.student { (history, student) = (StudentHistory(), answer.student) }
        self.answer = answer
        let x = inputs(item: answer.item, skill: answer.skill)
        let keys = indicators(item: answer.item, skill: answer.skill)
        let logits = [
            withIndicators.predict(x, keys: keys), withoutIndicators.predict(x),
            network.predict(x, ids: [answer.item, answer.skill]),
        ]
        let known = items[answer.item]?.count ?? 0
        return mixer.mix(logits, contexts: [0, Self.magnitude(history.count), Self.magnitude(known)])
    }

    /// Learns whether the answer predicted last is right.
    public mutating func learn(_ isCorrect: Bool) {
        withIndicators.learn(isCorrect)
        withoutIndicators.learn(isCorrect)
        network.learn(isCorrect)
        mixer.learn(isCorrect)
        updateRatings(isCorrect)
        updateTallies(isCorrect)
        updateHistory(isCorrect)
    }

    /// 0 for nothing, 1 for one, 2 for two or three, and so on, to 7.
    private static func magnitude(_ count: Float) -> Int { count < 1 ? 0 : min(7, 1 + Int(log2(count))) }

    // MARK: What the learners see

    private mutating func inputs(item: Int, skill: Int) -> [Float] {
        let overall = everything.right / everything.count
        let itemTally = items[item] ?? Tally(), skillTally = skills[skill] ?? Tally()
        let bySkill = skillTally.share(prior: overall, strength: 10)
        byItem = itemTally.share(prior: bySkill, strength: 5)
        let own = history.skills[skill] ?? StudentHistory.Skill()
        let rating = history.rating + 0.6 * own.rating + (itemRatings[item] ?? 0) + (skillRatings[skill] ?? 0)
        byRating = squash(rating)
        let itemLogit = logit(byItem), skillLogit = logit(bySkill)

        var x: [Float] = [1, itemLogit, skillLogit, 0.3 * log(1 + itemTally.count), rating]
        x.reserveCapacity(Self.inputs)
        // The student over all skills.
        x.append(smoothedLogit(history.right, of: history.count, prior: overall, strength: 5))
        x.append(0.3 * log(1 + history.count))
        x.append(3 * history.surprise / (history.count + 5))
        for mean in history.recent { x.append(3 * mean) }
        // The student in this skill.
        x.append(0.5 * log(1 + own.right))
        x.append(0.5 * log(1 + own.count - own.right))
        x.append(smoothedLogit(own.right, of: own.count, prior: bySkill, strength: 2))
        x.append(3 * own.surprise / (own.count + 2))
        for mean in own.recent { x.append(3 * mean) }
        for age in 0..<5 { x.append(Self.sign(own.outcomes, age, of: own.count)) }
        for age in 0..<5 { x.append(Self.sign(history.outcomes, age, of: history.count)) }
        x.append(0.7 * log(1 + own.rightRun))
        x.append(0.7 * log(1 + own.wrongRun))
        // How the items follow each other.
        let continues = skill == history.lastSkill
        x.append(own.last == nil ? 1 : 0)
        x.append(own.last.map { 0.3 * log(max(1, history.count - Float($0))) } ?? 0)
        x.append(continues ? 1 : 0)
        x.append(continues ? 0.5 * log(1 + history.block) : 0)
        x.append(continues ? history.blockRight / (history.block + 1) : 0)
        x.append(history.items[item].map { $0 ? 1 : -1 } ?? 0)
        let after = afterItem[afterItemKey(item)] ?? Tally()
        x.append(smoothedLogit(after.right, of: after.count, prior: byItem, strength: 4) - itemLogit)
        x.append(0.3 * log(1 + after.count))
        let outcomes = (afterOutcomes[afterOutcomesKey(skill, own)] ?? Tally()).share(prior: bySkill, strength: 10)
        x.append(logit(outcomes) - skillLogit)
        x += nearness(of: answer.number, own)
        x.append(3 * byItem * own.recent[1])
        x.append(0.5 * Float(history.skills.count).squareRoot())
        return x
    }

    /// Items of near numbers are often of one problem set: the mean surprise there, how much is known, and the distances to the last
    /// item and the last one of this skill.
    private func nearness(of number: Int, _ own: StudentHistory.Skill) -> [Float] {
        var sum: Float = 0, weight: Float = 0.5
        for earlier in history.near {
            let w = exp(-Float(abs(earlier.number - number)) / 15)
            sum += w * earlier.surprise
            weight += w
        }
        func distance(_ other: Int?) -> [Float] {
            guard let other else { return [0, 0] }
            return [0.3 * log(1 + Float(abs(number - other))), Float((number - other).signum())]
        }
        return [3 * sum / weight, 0.5 * log(weight + 0.5)] + distance(history.lastNumber) + distance(own.lastNumber)
    }

    private func indicators(item: Int, skill: Int) -> [UInt64] {
        let own = history.skills[skill] ?? StudentHistory.Skill()
        let lastOutcome = history.outcomes & 1, ownOutcome = own.outcomes & 1
        let last = history.lastItem ?? -1, lastSkill = history.lastSkill ?? -1
        let block = skill == history.lastSkill ? Int(min(history.block, 8)) : 0
        let ability = history.count < 1 ? 0 : 1 + Int(history.right / history.count * 3.99)
        return [
            key(1, item), key(2, skill), afterOutcomesKey(skill, own), key(4, item, own.count < 1 ? 0 : 1 + ownOutcome),
            afterItemKey(item), key(6, history.outcomes & 63, Int(min(history.count, 6))), key(7, skill, Int(min(own.count, 10))),
            key(8, lastSkill, skill, lastOutcome), key(9, skill, block), key(10, own.lastItem ?? -1, item, ownOutcome),
            key(11, item, ability), key(12, last, skill),
        ]
    }

    private func afterItemKey(_ item: Int) -> UInt64 { key(5, history.lastItem ?? -1, item, history.outcomes & 1) }

    private func afterOutcomesKey(_ skill: Int, _ own: StudentHistory.Skill) -> UInt64 {
        key(3, skill, own.outcomes & 7, Int(min(own.count, 3)))
    }

    private func logit(_ p: Float) -> Float { log(p / (1 - p)) }

    /// 1 for a right answer `age` answers ago, −1 for a wrong one, 0 for none.
    private static func sign(_ outcomes: Int, _ age: Int, of count: Float) -> Float {
        count > Float(age) ? (outcomes >> age & 1 == 1 ? 1 : -1) : 0
    }

    // MARK: What is counted

    /// Elo's ratings, with steps that fall as answers come.
    /// Source: Pelánek 2016, https://doi.org/10.1016/j.compedu.2016.03.017
    private mutating func updateRatings(_ isCorrect: Bool) {
        let error = (isCorrect ? 1 : 0) - byRating
        let itemCount = items[answer.item]?.count ?? 0, skillCount = skills[answer.skill]?.count ?? 0
        var own = history.skills[answer.skill] ?? StudentHistory.Skill()
        itemRatings[answer.item] = (itemRatings[answer.item] ?? 0) + error * 0.8 / (1 + 0.1 * itemCount)
        skillRatings[answer.skill] = (skillRatings[answer.skill] ?? 0) + error * 0.3 / (1 + 0.02 * skillCount)
        history.rating += error * 0.5 / (1 + 0.03 * history.count)
        own.rating += error * 0.7 / (1 + 0.1 * own.count)
        history.skills[answer.skill] = own
    }

    private mutating func updateTallies(_ isCorrect: Bool) {
        func add<Key>(_ key: Key, _ table: inout RecentTable<Key, Tally>) {
            var tally = table[key] ?? Tally()
            tally.add(isCorrect)
            table[key] = tally
        }
        add(afterItemKey(answer.item), &afterItem)
        add(afterOutcomesKey(answer.skill, history.skills[answer.skill] ?? StudentHistory.Skill()), &afterOutcomes)
        add(answer.item, &items)
        add(answer.skill, &skills)
        everything.add(isCorrect)
    }

    private mutating func updateHistory(_ isCorrect: Bool) {
        let outcome: Float = isCorrect ? 1 : 0, surprise = outcome - byItem
        var own = history.skills[answer.skill] ?? StudentHistory.Skill()
        own.count += 1
        own.right += outcome
        own.surprise += surprise
        for i in own.recent.indices { own.recent[i] += (surprise - own.recent[i]) * StudentHistory.skillRates[i] }
        own.outcomes = own.outcomes << 1 | (isCorrect ? 1 : 0)
        (own.rightRun, own.wrongRun) = isCorrect ? (own.rightRun + 1, 0) : (0, own.wrongRun + 1)
        (own.last, own.lastItem, own.lastNumber) = (Int(history.count), answer.item, answer.number)
        history.skills[answer.skill] = own

        for i in history.recent.indices { history.recent[i] += (surprise - history.recent[i]) * StudentHistory.rates[i] }
        let continues = answer.skill == history.lastSkill
        history.block = continues ? history.block + 1 : 1
        history.blockRight = (continues ? history.blockRight : 0) + outcome
        history.count += 1
        history.right += outcome
        history.surprise += surprise
        history.outcomes = history.outcomes << 1 | (isCorrect ? 1 : 0)
        history.items[answer.item] = isCorrect
        (history.lastItem, history.lastNumber, history.lastSkill) = (answer.item, answer.number, answer.skill)
        history.near.append((answer.number, surprise))
        if history.near.count > StudentHistory.nearLimit { history.near.removeFirst() }
    }
}
