import MetaLearning
import Testing

@Suite struct PersonalGainTests {
    @Test func isTrustedFromEightTasksOnWhileTheLowerBoundIsAboveNothing() {
        var gain = PersonalGain(capacity: 10)
        for task in 0..<7 {
            gain.add(task % 2 == 0 ? 0.3 : 0.1)
            #expect(!gain.isTrusted)
        }
        gain.add(0.1)
        // Four times 0.3 and four times 0.1: 0.2 − 2 · √(0.08 / 7) / √8
        #expect(gain.isTrusted && abs(gain.lowerBound - 0.12441) < 1e-5)
        gain.add(-3)
        #expect(!gain.isTrusted && gain.mean < 0)
        for _ in 0..<10 { gain.add(0.1) }
        #expect(gain.isTrusted && gain.tasks.count == 10, "what is older than ten tasks is forgotten")
    }

    @Test func aMeanWithinChanceIsNotTrusted() {
        #expect(!PersonalGain(capacity: 10, tasks: [1, -0.9, 1, -0.9, 1, -0.9, 1, -0.9]).isTrusted)
    }

    @Test func aGainThatIsNotFiniteCountsAsHarm() {
        var gain = PersonalGain(capacity: 10, tasks: Array(repeating: 0.1, count: 9))
        #expect(gain.isTrusted)
        gain.add(.nan)
        #expect(!gain.isTrusted)
    }

    @Test func withoutProofAllIsTrusted() {
        var gain = PersonalGain(capacity: 0)
        gain.add(-1)
        #expect(gain.isTrusted && gain.tasks.isEmpty)
    }
}
