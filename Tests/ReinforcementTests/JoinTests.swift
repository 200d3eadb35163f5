import Statistics
import Testing
@testable import Reinforcement

@Suite struct JoinTests {
    private func made(_ session: String, _ ordinal: UInt64, secret: UInt64 = 7, value: Double = 0) -> DecisionJoin.Made {
        .init(
            id: DecisionID(session: session, ordinal: ordinal, secret: secret), session: session, version: 1, observation: [Float(ordinal)],
            decision: Decision(choice: 0, logProbability: -0.7, value: value))
    }

    /// Feedback that is late, lost, sent again and forged, at random: every decision settles exactly once, with the first reward that truly
    /// cites it in time, or with the default.
    @Test(arguments: [true, false], 1...20) func everyDecisionIsUsedOnceWithTheRightReward(waitsForNext: Bool, seed: Int) {
        var random = RandomSource(seed: UInt64(seed)), configuration = DecisionJoin.Configuration()
        (configuration.window, configuration.defaultReward, configuration.waitsForNext) = (100, -9, waitsForNext)
        var join = DecisionJoin(configuration), wanted: [DecisionID: Double] = [:], settled: [DecisionID: DecisionJoin.Settled] = [:]
        var order: [String: [UInt64]] = [:], refused: [DecisionJoin.Refusal: Int] = [:], expected: [DecisionJoin.Refusal: Int] = [:]
        var mail: [(at: Int64, told: DecisionJoin.Feedback, expects: DecisionJoin.Refusal?)] = []
        var ordinal: UInt64 = 0
        for now in Int64(1)...3000 {
            if now <= 2500, random.uniform() < 0.5 {
                ordinal += 1
                let session = "s\(random.uniform(below: 3))", one = made(session, ordinal, secret: random.next())
                #expect(join.insert(one, at: now) == nil)
                wanted[one.id] = -9
                post(one, at: now, &random, &mail, &wanted)
            }
            // Messages of one time arrive in the order in which they were posted.
            for message in mail where message.at == now {
                if let expects = message.expects { expected[expects, default: 0] += 1 }
                if let refusal = join.insert(message.told, at: now) { refused[refusal, default: 0] += 1 }
            }
            mail.removeAll { $0.at <= now }
            for one in join.settle(at: now) {
                #expect(settled.updateValue(one, forKey: one.made.id) == nil, "seed \(seed): \(one.made.id) twice")
                order[one.made.session, default: []].append(one.made.id.place.ordinal)
                if let next = one.next { #expect(next.session == one.made.session && next.id.place.ordinal > one.made.id.place.ordinal) }
            }
        }
        #expect(settled.count == wanted.count && join.open == 0, "seed \(seed)")
        for (id, reward) in wanted {
            #expect(settled[id]?.reward == reward && settled[id]?.hasFeedback == (reward != -9), "seed \(seed): \(id)")
        }
        for ordinals in order.values { #expect((ordinals == ordinals.sorted()) == waitsForNext, "seed \(seed)") }
        #expect(refused == expected, "seed \(seed)")
    }

    /// Sends the feedback of a decision in time, late, twice, forged or never.
    private func post(
        _ one: DecisionJoin.Made, at now: Int64, _ random: inout RandomSource,
        _ mail: inout [(at: Int64, told: DecisionJoin.Feedback, expects: DecisionJoin.Refusal?)], _ wanted: inout [DecisionID: Double]
    ) {
        let reward = random.normal(), ending: DecisionJoin.Ending? = random.uniform() < 0.1 ? .terminal : nil
        let true_ = DecisionJoin.Feedback(id: one.id, session: one.session, reward: reward, ending: ending)
        func forge() {
            var forged = true_
            forged.reward = 1000
            if random.uniform() < 0.5 {
                forged.session = "other"
            } else {
                forged.id = DecisionID(session: one.session, ordinal: one.id.place.ordinal, secret: one.id.secret &+ 1)
            }
            mail.append((now + 1, forged, .forgedFeedback))
        }
        if random.uniform() < 0.2 { forge() }
        switch random.uniform(below: 4) {
        case 0: break  // lost
        case 1: mail.append((now + 150 + Int64(random.uniform(below: 50)), true_, .lateFeedback))
        case let copies:
            let at = now + 1 + Int64(random.uniform(below: 60))
            wanted[one.id] = reward
            mail.append((at, true_, nil))
            var again = true_
            again.reward = 500
            for copy in 1..<copies { mail.append((at + Int64(40 * copy), again, .duplicateFeedback)) }
        }
        if random.uniform() < 0.1 {
            let orphan = DecisionID(session: one.session, ordinal: one.id.place.ordinal + 1_000_000, secret: 1)
            mail.append((now + 2, .init(id: orphan, session: one.session, reward: 7), .orphanFeedback))
        }
    }

    @Test func whatWaitsIsBounded() {
        var configuration = DecisionJoin.Configuration()
        (configuration.maximumOpen, configuration.maximumRemembered) = (3, 4)
        var join = DecisionJoin(configuration)
        for ordinal in 1...3 { #expect(join.insert(made("a", UInt64(ordinal)), at: 0) == nil) }
        #expect(join.insert(made("a", 4), at: 0) == .overflow)
        #expect(join.insert(.init(id: made("a", 1).id, session: "a", reward: 1), at: 1) == nil)
        #expect(join.settle(at: 1).map(\.reward) == [1])
        #expect(join.insert(made("a", 4), at: 2) == nil)
        // Of the settled, the newest four are known.
        for ordinal in 2...5 {
            if ordinal == 5 { #expect(join.insert(made("a", 5), at: 2) == nil) }
            #expect(join.insert(.init(id: made("a", UInt64(ordinal)).id, session: "a", reward: 1, ending: .truncated), at: 3) == nil)
            #expect(join.settle(at: 3).count == 1)
        }
        let again = (1...5).map { join.insert(.init(id: made("a", UInt64($0)).id, session: "a", reward: 1), at: 4) }
        #expect(again == [.orphanFeedback] + Array(repeating: .duplicateFeedback, count: 4))
    }

    /// Three steps of one session, of which the second is too old to learn from, and the end of an episode.
    @Test func runsEndWhereAStepIsMissing() {
        var runs = TransitionRuns()
        func settled(_ ordinal: UInt64, ending: DecisionJoin.Ending? = nil) -> DecisionJoin.Settled {
            .init(
                made: made("a", ordinal, value: Double(ordinal)), reward: 1, hasFeedback: true, ending: ending,
                next: ending == nil ? made("a", ordinal + 1, value: Double(ordinal + 1)) : nil)
        }
        runs.append(settled(1), isUsable: true)
        runs.append(settled(2), isUsable: false)
        runs.append(settled(3), isUsable: true)
        runs.append(settled(4, ending: .terminal), isUsable: true)
        runs.append(settled(5, ending: .truncated), isUsable: true)
        runs.append(settled(6), isUsable: true)
        #expect(runs.count == 5)
        let steps = runs.takeAll()
        #expect(steps.map(\.isLast) == [true, false, true, true, true])
        #expect(steps.map(\.nextValue) == [2, 4, 0, 5, 7])
        #expect(steps.map(\.isTerminal) == [false, false, true, false, false])
        #expect(steps[1].next == [4] && runs.count == 0)
    }

    @Test(arguments: ["", "a", "a/1", "a/x/1f", "a/1/zz", "/1/2", "a/1/2/3", "a/-1/2"]) func textsOfAnotherFormAreNoIDs(text: String) {
        #expect(DecisionID(text) == nil)
    }

    @Test func anIDReadsAsItWasWritten() {
        let id = DecisionID(session: "kitchen", ordinal: 12, secret: .max)
        #expect(DecisionID(id.description) == id)
    }
}
