import Foundation
import Privacy
import Testing

struct SecretNoiseTests {
    /// Mean, variance and fourth moment within eight standard errors, so that a sound generator fails once in 10¹⁴ runs.
    @Test func noiseIsNormalWithItsDeviation() {
        let count = 200_000, deviation = 3.0
        var noise = SecretNoise(deviation: deviation), numbers = Array(repeating: 5.0, count: count)
        noise.add(to: &numbers)
        func moment(_ power: Double) -> Double { numbers.reduce(0) { $0 + pow(($1 - 5) / deviation, power) } / Double(count) }
        let error = 8 / Double(count).squareRoot()
        #expect(abs(moment(1)) < error)
        #expect(abs(moment(2) - 1) < error * 2.0.squareRoot())
        #expect(abs(moment(4) - 3) < error * 96.0.squareRoot())
        #expect(abs(moment(3)) < error * 15.0.squareRoot())
        // neighbours, which come from one radius, are independent
        let together = stride(from: 0, to: count, by: 2).reduce(0.0) { $0 + (numbers[$1] - 5) * (numbers[$1 + 1] - 5) }
        #expect(abs(together / (deviation * deviation * Double(count / 2))) < error * 2.0.squareRoot())
    }

    @Test func itsLowBitsAreNotThere() {
        for deviation in [1.0, 0.3, 1e-7, 4_096] {
            var noise = SecretNoise(deviation: deviation), numbers = (0..<999).map { Double($0) * 0.1 * deviation }
            noise.add(to: &numbers)
            let grid = pow(2, (log2(deviation)).rounded(.down) - 20)
            #expect(numbers.allSatisfy { ($0 / grid).truncatingRemainder(dividingBy: 1) == 0 }, "\(deviation)")
            #expect(Set(numbers).count > 990, "\(deviation)")
        }
    }

    @Test func itNeverRepeats() {
        let runs = (0..<2).map { _ in
            var noise = SecretNoise(deviation: 1), numbers = Array(repeating: 0.0, count: 64)
            noise.add(to: &numbers)
            return numbers
        }
        #expect(runs[0] != runs[1])
    }

    @Test func whatHappensHasItsProbability() {
        var random = SecretRandomness()
        for probability in [0, 0.01, 0.5, 1] {
            let count = 100_000.0, found = Double((0..<Int(count)).count { _ in random.happens(with: probability) }) / count
            #expect(abs(found - probability) <= 8 * (probability * (1 - probability) / count).squareRoot(), "\(found)")
        }
    }

    @Test func aLedgerCountsStepsAndWhatTheyReveal() throws {
        var ledger = PrivacyLedger(unit: .session), accountant = PrivacyAccountant()
        #expect(ledger.epsilon(delta: 1e-5) == 0)
        let mechanism = try SampledGaussian(samplingRate: 0.1, noise: 1.3)
        for step in 0..<30 { ledger.count(step % 3 == 2 ? nil : mechanism) }
        accountant.add(mechanism, steps: 20)
        #expect(ledger.steps == 30)
        #expect(abs(try ledger.epsilon(delta: 1e-5) - accountant.spent(delta: 1e-5).epsilon) < 1e-12)
        #expect(ledger.epsilon(delta: 2) == .infinity, "no bound for a delta that is none")
        #expect(try JSONDecoder().decode(PrivacyLedger.self, from: JSONEncoder().encode(ledger)) == ledger)
        #expect(ledger.statement(delta: 1e-5).hasSuffix("at delta 1e-05 for each session"))
    }

    @Test func settingsThatMakeNoSenseAreRefused() {
        func keys(_ change: (inout PrivateLearningSettings) -> Void) -> [String] {
            var settings = PrivacySettings()
            change(&settings.learning)
            return settings.problems.map(\.key)
        }
        #expect(keys { $0.enabled = true }.isEmpty)
        #expect(keys { $0.delta = 0 } == ["learning.delta"])
        #expect(keys { $0.epsilon = .nan } == ["learning.epsilon"])
        #expect(keys { $0.noise = 0 } == ["learning.noise"])
        #expect(keys { $0.clip = .infinity } == ["learning.clip"])
        #expect(keys { $0.start = $0.pool + 1 } == ["learning.start"])
        #expect(keys { ($0.sampling, $0.batch, $0.pool, $0.start) = (.order, 5, 4, 1) } == ["learning.batch"])
        var persons = PrivacySettings()
        (persons.learning.enabled, persons.learning.unit) = (true, .person)
        persons.persons = [.init(person: "ada", sources: ["phone"])]
        #expect(persons.problems.map(\.key) == ["persons"], "a moment does not say its sources")
        persons.persons = [.init(person: "ada", sessions: ["a", "b"]), .init(person: "grace", sessions: ["b"])]
        #expect(persons.problems.map(\.key) == ["persons"], "a session of two persons is in one unit only")
        persons.persons = [.init(person: "ada", sessions: ["a", "b"])]
        #expect(persons.problems.isEmpty)
        #expect(persons.learning.unit(of: "b", persons.persons) == "person ada")
        #expect(persons.learning.unit(of: "c", persons.persons) == "session c")
    }
}
