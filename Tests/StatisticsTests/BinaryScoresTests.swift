import Statistics
import Testing

struct BinaryScoresTests {
    private func scores(_ pairs: [(Float, Bool)]) -> BinaryScores {
        pairs.reduce(into: BinaryScores()) { $0.add(probability: $1.0, happened: $1.1) }
    }

    @Test func theAreaCountsPairsInTheRightOrderAndHalfOfEqualOnes() {
        // Of the six pairs of one that happened (0.8, 0.4, 0.4) and one that did not (0.4, 0.1), four are right and two equal.
        let area = scores([(0.8, true), (0.4, true), (0.4, false), (0.4, true), (0.1, false)]).areaUnderCurve
        #expect(area == 5.0 / 6)
    }

    @Test func averagePrecisionOfAKnownOrder() {
        // Precisions at those that happened: 1 of 1, 2 of 3.
        #expect(scores([(0.9, true), (0.8, false), (0.7, true), (0.1, false)]).averagePrecision == (1 + 2.0 / 3) / 2)
        // Equal probabilities are one rank: the base rate.
        #expect(scores([(0.5, true), (0.5, false), (0.5, false), (0.5, false)]).averagePrecision == 0.25)
    }

    @Test func logLossAndAccuracyOfTwoPredictions() throws {
        let both = scores([(0.75, true), (0.75, false)])
        #expect(abs(try #require(both.logLoss) - 0.8369882) < 1e-6)
        #expect(both.accuracy == 0.5 && both.baseRate == 0.5)
    }

    @Test func nothingAndOneKindHaveNoArea() {
        #expect(BinaryScores().areaUnderCurve == nil && BinaryScores().logLoss == nil && BinaryScores().accuracy == nil)
        #expect(scores([(0.3, true), (0.6, true)]).areaUnderCurve == nil)
        #expect(scores([(0.3, false)]).averagePrecision == nil)
    }

    @Test func certaintiesThatAreWrongAndWhatIsNotANumberStayFinite() throws {
        let wild = scores([(0, true), (1, false), (.nan, true), (.infinity, true), (-.infinity, false)])
        #expect(try #require(wild.logLoss).isFinite)
        #expect(try #require(wild.areaUnderCurve) > 0)
    }

    @Test func probabilitiesDrawnAtRandomAreAtChance() throws {
        var random = RandomSource(seed: 5), scores = BinaryScores()
        for _ in 0..<20_000 { scores.add(probability: Float(random.uniform()), happened: random.uniform() < 0.3) }
        #expect(abs(try #require(scores.areaUnderCurve) - 0.5) < 0.015)
        #expect(abs(try #require(scores.averagePrecision) - 0.3) < 0.02)
    }
}
