import Foundation
import Statistics
import Testing
@testable import Learning

@Suite struct SurpriseTests {
    @Test func isThePublishedCumulativeSum() {
        var surprise = Surprise()
        for index in 0..<100 { surprise.add(isRight: index % 10 != 0, threshold: 3.5) }
        let p = surprise.usual, q = (1 + p) / 2
        #expect(abs(p - 0.1) < 0.02)
        #expect(surprise.evidence == 0)
        surprise.add(isRight: false, threshold: 100)
        let once = surprise.usual
        #expect(abs(surprise.evidence - log(q / p)) < 1e-12)
        surprise.add(isRight: true, threshold: 100)
        #expect(abs(surprise.evidence - max(0, log(q / p) + log((1 - (1 + once) / 2) / (1 - once)))) < 1e-12)
        #expect(surprise.lasts == 2)
    }

    @Test(arguments: [0.02, 0.1, 0.3, 0.6])
    func usualMistakesSeldomSurpriseAndUnusualOnesSoon(rate: Double) {
        var random = RandomSource(seed: 4), surprise = Surprise(), grave = 0
        for _ in 0..<2000 {
            surprise.add(isRight: random.uniform() >= rate, threshold: 3.5)
            grave += surprise.evidence >= 7 ? 1 : 0
        }
        #expect(grave < 40, "\\(grave)")
        var needed = 0
        while surprise.evidence < 3.5, needed < 1000 {
            surprise.add(isRight: false, threshold: 3.5)
            needed += 1
        }
        #expect(needed <= (rate < 0.2 ? 3 : 20), "\\(needed)")
    }

    @Test func evidenceIsBoundedAndFadesWithinAFewMoments() {
        var surprise = Surprise()
        for _ in 0..<100 { surprise.add(isRight: true, threshold: 3.5) }
        for _ in 0..<10_000 { surprise.add(isRight: false, threshold: 3.5) }
        #expect(surprise.evidence <= 10.5)
        #expect(surprise.usual < 0.05)
        var needed = 0
        while surprise.evidence > 0, needed < 100 {
            surprise.add(isRight: true, threshold: 3.5)
            needed += 1
        }
        #expect(needed < 25, "\\(needed)")
    }
}
