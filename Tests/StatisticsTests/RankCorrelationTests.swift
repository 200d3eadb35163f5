import Statistics
import Testing

@Suite struct RankCorrelationTests {
    @Test func ordersAgreeOrAreReversed() {
        #expect(rankCorrelation([1, 2, 3, 4], [10, 20, 30, 1_000]) == 1)
        #expect(rankCorrelation([1, 2, 3, 4], [4, 3, 2, -9]) == -1)
        #expect(rankCorrelation([1, 2, 3], [5, 5, 5]) == 0 && rankCorrelation([], []) == 0)
    }

    /// Pearson's correlation of the ranks 1, 2.5, 2.5, 4, 5 and 3, 1, 2, 5, 4.
    @Test func equalNumbersShareTheirRanks() {
        #expect(abs(rankCorrelation([1, 2, 2, 4, 5], [3, 1, 2, 5, 4]) - 0.5642880936468347) < 1e-12)
    }
}
