import Learning
import Statistics
import StrictJSON
import Testing

/// Two features around one of three corners, by label.
private func cornerStream(_ count: Int, labels: [Int], seed: UInt64) -> [ClassifierLearner.Sample] {
    let corners: [[Double]] = [[0, 0], [3, 0], [0, 3]]
    var random = RandomSource(seed: seed)
    return (0..<count).map { _ in
        let label = labels[random.uniform(below: labels.count)]
        return .init(features: corners[label].map { Float($0 + 0.4 * random.normal()) }, label: label)
    }
}

private func learner(_ name: String, _ settings: JSON = [:], seed: UInt64 = 1) throws -> ClassifierLearner {
    var learning = ClassifierLearner.Configuration()
    (learning.strategy, learning.strategySettings, learning.optimizerSettings) = (name, settings, ["learning_rate": 0.01])
    return try ClassifierLearner(ClassifierNetwork(features: 2, hidden: [16], classes: 3), learning, seed: seed)
}

private func accuracy(_ learner: ClassifierLearner, labels: [Int]) -> Double {
    let test = cornerStream(300, labels: labels, seed: 99)
    let answers = ClassifierServer(learner.network, parameters: learner.parameters, batch: 64).classes(of: test.map(\.features))
    return Double(zip(answers, test).count { $0 == $1.label }) / 300
}

private func feed(_ learner: ClassifierLearner, _ samples: [ClassifierLearner.Sample]) {
    for start in stride(from: 0, to: samples.count, by: 10) { learner.learn(Array(samples[start..<min(start + 10, samples.count)])) }
}

@Suite struct ClassifierLearnerTests {
    @Test(arguments: strategies.map(\.key).filter { $0 != "never" } + ["der-ace, mir, ewc"])
    func learnsAMixedStream(_ name: String) throws {
        let learner = try learner(name)
        feed(learner, cornerStream(1995, labels: [0, 1, 2], seed: 2))
        #expect(accuracy(learner, labels: [0, 1, 2]) > 0.95)
    }

    @Test(arguments: ["always", "er", "der++", "er-ace", "der-ace", "mir"])
    func rehearsalKeepsTheOld(_ name: String) throws {
        let learner = try learner(name)
        for label in 0..<3 {
            feed(learner, cornerStream(1500, labels: [label], seed: UInt64(label)))
            learner.consolidate()
        }
        let kept = accuracy(learner, labels: [0, 1])
        #expect(name == "always" ? kept < 0.7 : kept > 0.9, "\(kept)")
    }

    @Test(arguments: strategies.map(\.key))
    func repeatsToTheBit(_ name: String) throws {
        let one = try learner(name), two = try learner(name), stream = cornerStream(200, labels: [0, 1, 2], seed: 3)
        feed(one, stream)
        feed(two, stream)
        #expect(Array(one.parameters.values) == Array(two.parameters.values))
    }

    @Test(arguments: ["lwf", "ewc"])
    func consolidatedWeightsMoveLess(_ name: String) throws {
        func drift(consolidating: Bool) throws -> Double {
            let learner = try learner(name, name == "ewc" ? ["elastic_strength": 1000] : [:])
            feed(learner, cornerStream(500, labels: [0, 1], seed: 5))
            if consolidating { learner.consolidate() }
            let before = Array(learner.parameters.values)
            feed(learner, cornerStream(500, labels: [2], seed: 6))
            return zip(before, learner.parameters.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        }
        #expect(try drift(consolidating: true) < 0.7 * drift(consolidating: false))
    }

    @Test func predictsBeforeItLearns() throws {
        let stream = cornerStream(10, labels: [2], seed: 4)
        let one = try learner("er"), two = try learner("er")
        var flipped = stream
        for index in flipped.indices { flipped[index].label = 0 }
        #expect(one.learn(stream) == two.learn(flipped))
        #expect(Array(one.parameters.values) != Array(two.parameters.values))
    }

    @Test func whoNeverUpdatesPredictsAndStaysAsHeWas() throws {
        let learner = try learner("never"), before = Array(learner.parameters.values)
        #expect(learner.learn(cornerStream(10, labels: [0, 1], seed: 4)).count == 10 && Array(learner.parameters.values) == before)
    }

    @Test(arguments: [("heads", "head."), ("trunk", "h.")]) func aScopeLeavesTheRestAsItWas(_ name: String, _ part: String) throws {
        let learner = try learner(name), before = learner.parameters.copy()
        feed(learner, cornerStream(50, labels: [0, 1, 2], seed: 4))
        for parameter in before.layout.parameters {
            let isMoved = Array(before[parameter.name]) != Array(learner.parameters[parameter.name])
            #expect(isMoved == parameter.name.hasPrefix(part), "\(parameter.name)")
        }
    }

    @Test func refusesStrategiesThatMakeNoSense() {
        #expect(throws: SettingsError.self) { try learner("best") }
        #expect(throws: SettingsError.self) { try learner("er", ["policy": "newest"]) }
        let flat = ClassifierNetwork(features: 2, hidden: [], classes: 2)
        var learning = ClassifierLearner.Configuration()
        learning.steps = 0
        #expect(throws: SettingsError.self) { try ClassifierLearner(flat, learning, seed: 1) }
        (learning.steps, learning.strategy) = (1, "trunk")  // which a network without hidden layers has not
        #expect(throws: SettingsError.self) { try ClassifierLearner(flat, learning, seed: 1) }
    }
}
