import Statistics
import Testing

struct BinaryScoresTests {
    private func scores(_ pairs: [(Float, Bool)]) -> BinaryScores {
        pairs.reduce(into: BinaryScores()) { $0.add(probability: $1.0, happened: $1.1) }
    }

    @Test func theAreaCountsPairsInTheRightOrderAndHalfOfEqualOnes() {
        // Of the six pairs of one that happened (0.8, 0.4, 0.4) and one that did not (0.4, 0.1), four are right and two equal.
        let area = scores([(0.8, true), (0.4, true), (0.4, false), (0.4, true), (0.1, false)]).areaUnderCurve, expected: Double = 5.0 / 6
        #expect(area == expected)
    }

    @Test func averagePrecisionOfAKnownOrder() {
        // Precisions at those that happened: 1 of 1, 2 of 3.
        let known = scores([(0.9, true), (0.8, false), (0.7, true), (0.1, false)]).averagePrecision, expected: Double = (1 + 2.0 / 3) / 2
        #expect(known == expected)
        // Equal probabilities are one rank: the base rate.
        let equal = scores([(0.5, true), (0.5, false), (0.5, false), (0.5, false)])
        #expect(equal.averagePrecision == 0.25)
    }

    @Test func logLossAndAccuracyOfTwoPredictions() throws {
        let both = scores([(0.75, true), (0.75, false)])
        #expect(abs(try #require(both.logLoss) - 0.8369882) < 1e-6)
        #expect(both.accuracy == 0.5)
        #expect(both.baseRate == 0.5)
    }

    @Test func nothingAndOneKindHaveNoArea() {
        let none = BinaryScores(), right = scores([(0.3, true), (0.6, true)]), wrong = scores([(0.3, false)])
        #expect(none.areaUnderCurve == nil)
        #expect(none.logLoss == nil)
        #expect(none.accuracy == nil)
        #expect(right.areaUnderCurve == nil)
        #expect(wrong.averagePrecision == nil)
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
