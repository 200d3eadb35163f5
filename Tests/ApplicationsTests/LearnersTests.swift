import Foundation
import Statistics
import Testing

@testable import Applications

struct LearnersTests {
    @Test func logisticRegressionLearnsAnIndicatorAndAnInput() {
        var random = RandomSource(seed: 2), settings = AdagradLogistic.Configuration()
        (settings.rate, settings.denseRate) = (0.3, 0.3)
        var logistic = AdagradLogistic(inputs: 2, settings)
        for _ in 0..<4000 {
            let x = Float(random.uniform(in: -2..<2)), id = UInt64(random.uniform(below: 2))
            _ = logistic.predict([1, x], keys: [id])
            logistic.learn(random.uniform() < Double(squash(2 * x + (id == 1 ? 1 : -1))))
        }
        // The true log-odds are 2x + 1 and 2x − 1.
        #expect(abs(logistic.predict([1, 1], keys: [1]) - 3) < 0.5)
        #expect(abs(logistic.predict([1, -1], keys: [0]) + 3) < 0.5)
    }

    @Test func theWeightOfAnExampleCountsInOneStep() {
        var once = AdagradLogistic(inputs: 1), never = AdagradLogistic(inputs: 1)
        _ = (once.predict([1]), never.predict([1]))
        once.learn(true)
        never.learn(true, weight: 0)
        #expect(once.predict([1]) > 0 && never.predict([1]) == 0)
    }

    @Test func aNetworkLearnsWhatNoSumOfInputsTells() {
        var random = RandomSource(seed: 3), settings = OnlineNetwork.Configuration()
        (settings.rate, settings.hidden) = (0.05, 16)
        var network = OnlineNetwork(inputs: 2, kinds: 1, settings, random: &random)
        var scores = BinaryScores()
        for index in 0..<6000 {
            let a = random.uniform() < 0.5, b = random.uniform() < 0.5
            let p = squash(network.predict([a ? 1 : -1, b ? 1 : -1], ids: [0]))
            if index >= 5000 { scores.add(probability: p, happened: a != b) }
            network.learn(a != b)
        }
        #expect((scores.accuracy ?? 0) > 0.99)
    }

    @Test func identitiesBeyondTheLimitShareThePlacesThatAreThere() {
        var random = RandomSource(seed: 4), settings = OnlineNetwork.Configuration()
        settings.identityLimit = 8
        var network = OnlineNetwork(inputs: 1, kinds: 1, settings, random: &random)
        let first = network.predict([1], ids: [3])
        #expect(network.predict([1], ids: [11]) == first)
        #expect(network.predict([1], ids: [Int.max]).isFinite && network.predict([1], ids: [Int.min]).isFinite)
    }

    @Test func aChoiceLearnsFeaturesByTheirGate() {
        // In one situation the alternative with the greater feature is chosen, in the other the one with the smaller.
        var random = RandomSource(seed: 5), choice = GatedChoice(initial: [0], gates: 2, rate: 0.3)
        for _ in 0..<500 {
            let rows = (0..<3).map { _ in [Float(random.uniform())] }, first = random.uniform() < 0.5
            let order = rows.indices.sorted { rows[$0][0] < rows[$1][0] }
            _ = choice.predict(rows, gates: first ? [1, 0] : [0, 1])
            choice.learn(first ? order[2] : order[0])
        }
        let up = choice.predict([[0], [0.5], [1]], gates: [1, 0]), down = choice.predict([[0], [0.5], [1]], gates: [0, 1])
        #expect(up[2] > 0.8 && down[0] > 0.8)
        #expect(abs(up.reduce(0, +) - 1) < 1e-5)
    }

    @Test func ridgeRegressionUpdatesToTheSolutionOfItsEquations() {
        // One input, ridge 2 to the weight 1: (2·1 + Σ x y) / (2 + Σ x²).
        var one = RidgeRegression(initial: [1], ridge: 2)
        for (x, y) in [(1.0, 3.0), (2.0, 5.0), (-1.0, 0.5)] { one.learn([x], y) }
        #expect(abs(one.predict([1]) - (2 + 3 + 10 - 0.5) / (2 + 1 + 4 + 1)) < 1e-12)
        // Two inputs: with hardly any ridge three points of a plane through 0 give the plane.
        var two = RidgeRegression(initial: [0, 0], ridge: 1e-9)
        for (x, y) in [([1.0, 0], 2.0), ([0, 1], -3), ([1, 1], -1)] { two.learn(x, y) }
        #expect(abs(two.predict([2, 5]) + 11) < 1e-6)
    }

    @Test func aForgettingRegressionFollowsAChangeAndStaysFiniteWithoutNews() {
        var regression = RidgeRegression(initial: [0], ridge: 0.1, forgetting: 0.95)
        for _ in 0..<200 { regression.learn([1], 1) }
        for _ in 0..<100 { regression.learn([1], -2) }
        #expect(abs(regression.predict([1]) + 2) < 0.05)
        for _ in 0..<20_000 { regression.learn([0], 0) }
        regression.learn([1], 4)
        #expect(regression.predict([1]).isFinite && regression.predict([1]) <= 4)
        regression.learn([.nan], 1)
        regression.learn([1], .infinity)
        #expect(regression.predict([1]).isFinite)
    }

    @Test func theBestExpertGetsTheWeightAndAnotherOneWhenItBecomesBest() {
        var weights = ExpertWeights(prior: [1, 1, 1], rate: 0.1)
        for _ in 0..<300 { weights.learn([1, 0.5, 2]) }
        #expect(weights.values[1] > 0.95)
        for _ in 0..<1500 { weights.learn([0.2, 1, 2]) }
        #expect(weights.values[0] > 0.95)
        #expect(abs(weights.values.reduce(0, +) - 1) < 1e-12)
        let before = weights.values
        weights.learn([.nan, 1, 1])
        #expect(weights.values == before)
    }

    @Test func expertsThatNeverErrKeepTheirWeights() {
        var weights = ExpertWeights(prior: [3, 1])
        for _ in 0..<10 { weights.learn([0, 0]) }
        #expect(weights.values == [0.75, 0.25])
    }
}
