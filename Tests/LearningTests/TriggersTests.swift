import Foundation
import Learning
import Statistics
import Testing

private let second: Int64 = 1_000_000_000

private func rule(_ change: (inout TriggerRule) -> Void = { _ in }) -> TriggerRule {
    var rule = TriggerRule()
    rule.detector = "EveryN"
    rule.detectorSettings = ["every": 1]
    rule.cooldownSeconds = 0
    rule.budget = 1e9
    change(&rule)
    return rule
}

@Suite struct TriggersTests {
    @Test func aDriftFiresItsRuleOnceAndOthersHearNothing() throws {
        var triggers = try Triggers([
            rule {
                $0.detector = "PageHinkley"; $0.detectorSettings = ["threshold": 3]
            },
            rule {
                $0.name = "other"; $0.signal = "join_rate"
            },
        ])
        var random = RandomSource(seed: 1)
        var fired: [Int] = []
        for moment in 0..<400 {
            let loss = (moment < 200 ? 1 : 2) + 0.1 * random.normal()
            if triggers.observe("loss", loss, at: Int64(moment) * second).contains(where: { $0.rule.name == "drift" }) {
                fired.append(moment)
            }
        }
        #expect(fired.count == 1 && (200..<210).contains(fired[0]))
        #expect(triggers.ledger.entries.map(\.verdict) == [.quiet, .fired, .quiet])
        #expect(triggers.ledger.entries.reduce(0) { $0 + $1.evaluations } == 400)
    }

    @Test func aCoolDownMakesAnInterval() throws {
        var triggers = try Triggers([rule { $0.cooldownSeconds = 10 }])
        let fired = (0..<35).filter { !triggers.observe("loss", 1, at: Int64($0) * second).isEmpty }
        #expect(fired == [0, 10, 20, 30])
        #expect(triggers.ledger.entries.count { $0.verdict == .coolingDown } == 31)
    }

    @Test func aBudgetIsSpentAndComesBack() throws {
        var triggers = try Triggers([
            rule {
                $0.budget = 5; $0.budgetSeconds = 100; $0.expectedCost = 1
            }
        ])
        var fired: [Int] = []
        for time in 0..<120 {
            for firing in triggers.observe("loss", 1, at: Int64(time) * second) {
                fired.append(time)
                triggers.settle(firing, cost: 2, before: 1, after: 0.5)
            }
        }
        #expect(fired == [0, 1, 2, 100, 101, 102])
        let first = try #require(triggers.ledger.entries.first)
        #expect(first.cost == 2 && first.before == 1 && first.after == 0.5)
        #expect(triggers.ledger.entries[3].verdict == .overBudget)
    }

    @Test func theLedgerIsBoundedAndSaysWhatItDropped() throws {
        var triggers = try Triggers([rule()], ledgerCapacity: 10)
        for time in 0..<25 { _ = triggers.observe("loss", 1, at: Int64(time)) }
        #expect(triggers.ledger.entries.map(\.serial) == Array(15..<25) && triggers.ledger.dropped == 15)
    }

    @Test func aSignalThatIsNoNumberFiresNothing() throws {
        var triggers = try Triggers([rule()])
        #expect(triggers.observe("loss", .nan, at: 0).isEmpty)
        #expect(triggers.ledger.entries.map(\.verdict) == [.noSignal])
    }

    @Test func goesOnExactlyAfterSavingAndRestoring() throws {
        let rules = [
            rule {
                $0.detector = "ADWIN"; $0.detectorSettings = [:]; $0.cooldownSeconds = 3; $0.budget = 4; $0.budgetSeconds = 50
            }
        ]
        var uninterrupted = try Triggers(rules), interrupted = uninterrupted
        var random = RandomSource(seed: 2)
        for moment in 0..<2000 {
            if moment % 101 == 0 { interrupted = try JSONDecoder().decode(Triggers.self, from: JSONEncoder().encode(interrupted)) }
            let loss = Double(moment / 150 % 2) + 0.2 * random.normal()
            let (one, other) = (
                uninterrupted.observe("loss", loss, at: Int64(moment) * second),
                interrupted.observe("loss", loss, at: Int64(moment) * second)
            )
            #expect(one == other)
        }
        #expect(uninterrupted.ledger == interrupted.ledger)
        #expect(uninterrupted.ledger.entries.contains { $0.verdict == .fired })
    }

    @Test func refusesRulesThatMakeNoSense() {
        #expect(throws: SettingsError.self) { try Triggers([rule(), rule()]) }
        #expect(throws: SettingsError.self) { try Triggers([rule { $0.detector = "Nose" }]) }
        #expect(throws: SettingsError.self) { try Triggers([rule { $0.action = .switchOptimizer }]) }
        #expect(throws: SettingsError.self) { try TriggerRule(["action": "dance"]) }
    }

    @Test func featuresThatMoveShift() {
        var random = RandomSource(seed: 3)
        var shift = FeatureShift(columns: 4, window: 100, width: 2, random: &random)
        func vector(_ level: Double) -> [Float] { (0..<4).map { _ in Float(level + random.normal()) } }
        let still = (0..<400).compactMap { _ in shift.add(vector(0)) }.max() ?? 1
        let moved = (0..<100).compactMap { _ in shift.add(vector(2)) }.last ?? 0
        #expect(moved > 10 * still)
    }
}
