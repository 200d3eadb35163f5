import Federation
import Statistics
import Testing

/// What several participants have learned becomes one model.
struct FederatedRoundTests {
    private func merge(
        _ round: FederatedRound, _ parts: [[Float]], shares: [Double]? = nil, base: [Float]
    ) -> (weights: [Float], outcome: FederatedRound.Outcome) {
        var weights = base
        let flat = parts.flatMap(\.self), count = base.count
        let outcome = weights.withUnsafeMutableBufferPointer { weights in
            flat.withUnsafeBufferPointer { flat in
                round.merge(
                    parts.indices.map {
                        .init(UnsafeBufferPointer(rebasing: flat[$0 * count..<($0 + 1) * count]), share: shares?[$0] ?? 1)
                    }, into: weights)
            }
        }
        return (weights, outcome)
    }

    private func round(_ rule: MergeRule, trim: Double = 0.25, clip: Double = 0) -> FederatedRound {
        var round = FederatedRound()
        (round.rule, round.trim, round.clip) = (rule, trim, clip)
        return round
    }

    /// Participants with the same number of coordinates, from a seed.
    private func participants(_ count: Int, of length: Int, seed: UInt64) -> [[Float]] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in (0..<length).map { _ in Float(random.normal()) } }
    }

    @Test func theMeanIsWeightedByWhatWasLearned() {
        let merged = merge(round(.mean), [[1, 10], [4, -2]], shares: [1, 2], base: [0, 0]).weights
        #expect(merged == [3, 2])
    }

    @Test func theMedianAndTheTrimmedMeanAreTheirDefinitions() {
        let parts: [[Float]] = [[1, 5], [2, -100], [3, 7], [100, 6]]
        #expect(merge(round(.median), parts, base: [0, 0]).weights == [2.5, 5.5])
        #expect(merge(round(.median), Array(parts.dropLast()), base: [0, 0]).weights == [2, 5])
        #expect(merge(round(.trimmed), parts, base: [0, 0]).weights == [2.5, 5.5])
        #expect(merge(round(.trimmed, trim: 0), parts, base: [0, 0]).weights == [26.5, -20.5])
        #expect(merge(round(.trimmed, trim: 0.49), Array(parts.dropLast()), base: [0, 0]).weights == [2, 5])
    }

    @Test(arguments: MergeRule.allCases)
    func whoAgreesAgreesAndOrderDoesNotMatter(_ rule: MergeRule) {
        let alike = Array(repeating: participants(1, of: 20, seed: 3)[0], count: 5)
        let same = merge(round(rule, clip: 2), alike, base: Array(repeating: 0.5, count: 20)).weights
        #expect(zip(same, alike[0]).allSatisfy { abs($0 - $1) < 1e-6 })
        let parts = participants(7, of: 30, seed: 4), base = [Float](repeating: 0, count: 30)
        let (one, other) = (merge(round(rule), parts, base: base).weights, merge(round(rule), parts.reversed(), base: base).weights)
        #expect(zip(one, other).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// Of eight, one that says anything does not move a coordinate beyond what the others say; the mean it moves as far as it likes.
    @Test(arguments: [MergeRule.median, .trimmed], [UInt64](1...5))
    func oneOfEightCannotMoveACoordinateBeyondTheOthers(_ rule: MergeRule, seed: UInt64) {
        var parts = participants(8, of: 50, seed: seed)
        parts[3] = parts[3].map { $0 * -1e6 }
        let base = [Float](repeating: 0, count: 50), others = parts.enumerated().filter { $0.offset != 3 }.map(\.element)
        let merged = merge(round(rule), parts, base: base).weights
        for place in merged.indices {
            let said = others.map { $0[place] }.sorted()
            #expect(merged[place] >= said[0] && merged[place] <= said[6])
        }
        #expect(merge(round(.mean), parts, base: base).weights.contains { abs($0) > 1e3 })
    }

    @Test func aChangeThatIsTooGreatIsBoundedByTheMedianOfAll() {
        let parts: [[Float]] = [[3, 4], [0, 5], [5, 0], [300, 400]]
        let (weights, outcome) = merge(round(.mean, clip: 2), parts, base: [0, 0])
        #expect(outcome.norms == [5, 5, 5, 500] && outcome.clipped == 1)
        // The last counts as (6, 8).
        #expect(zip(weights, [14.0 / 4, 17.0 / 4]).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(weights)")
        #expect(merge(round(.mean), parts, base: [0, 0]).outcome.clipped == 0)
    }

    @Test(arguments: MergeRule.allCases)
    func whatIsNotFiniteIsLeftOut(_ rule: MergeRule) {
        let (weights, outcome) = merge(round(rule, clip: 3), [[1, 1], [.nan, 2], [3, 3], [2, .infinity]], base: [0, 0])
        #expect(weights == [2, 2] && outcome.norms.map { $0 == nil } == [false, true, false, true])
        #expect(merge(round(rule), [[.nan, 1]], base: [4, 5]).weights == [4, 5])
        #expect(merge(round(rule), [], base: [4, 5]).weights == [4, 5])
        let huge = merge(round(rule), [[3e38, 0], [3e38, 0], [3e38, 0]], base: [-3e38, 0]).weights
        #expect(!huge.contains { !$0.isFinite })
    }

    @Test func settingsThatMakeNoSenseAreRefused() {
        #expect(round(.trimmed, trim: 0.5).problems.count == 1 && round(.mean, clip: -1).problems.count == 1)
        #expect(round(.trimmed, trim: .nan).problems.count == 1 && FederatedRound().problems.isEmpty)
    }
}
