import Testing
@testable import Evaluation

struct PacedStreamTests {
    /// Predicts the number of moments learned so far; a moment is right if it says how many it should be.
    private func pass(_ moments: [Int], rate: Double, cost: Double) -> PacedStream.Pass {
        var learned = 0, published = 0
        return PacedStream(rate: rate, cost: cost).run(
            over: moments, isPredicted: { $0 == published }, learn: { _ in learned += 1 }, publish: { published = learned })
    }

    @Test func aFastLearnerLearnsEveryMomentAfterItsPrediction() {
        #expect(pass([0, 1, 2, 3], rate: 10, cost: 0.05) == .init(right: [true, true, true, true], learned: 4))
        #expect(pass([0, 1, 2], rate: 10, cost: 0).learned == 3)
    }

    /// At ten a second, a step of a quarter of a second learns every third moment, and its parameters are ready for the third after it.
    @Test func aSlowLearnerPassesOverWhatComesMeanwhile() {
        let slow = pass([0, 0, 0, 1, 1, 1, 2, 2, 2, 3], rate: 10, cost: 0.25)
        #expect(slow.learned == 4 && slow.right.allSatisfy { $0 })
        #expect(pass([0, 0, 0, 0], rate: 10, cost: 100) == .init(right: [true, true, true, true], learned: 1))
    }

    @Test func nothingComesOfNothing() { #expect(pass([], rate: 1, cost: 1) == .init()) }
}
