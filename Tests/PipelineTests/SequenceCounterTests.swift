import Testing
@testable import Pipeline

struct SequenceCounterTests {
    @Test func everyTopicAndSourceCountsFromOne() {
        var counter = SequenceCounter()
        #expect((1...3).map { _ in counter.next(on: "feedback.a/", from: "labels") } == [1, 2, 3])
        #expect(counter.next(on: "feedback.a/", from: "rewards") == 1 && counter.next(on: "feedback.b/", from: "labels") == 1)
        #expect(counter.next(on: "feedback.a/", from: "labels") == 4)
    }

    @Test func whatIsForgottenGoesOnAboveWhatItHadReached() {
        var counter = SequenceCounter(capacity: 8), newest: [String: UInt64] = [:]
        for step in 0..<1000 {
            let topic = "moment.\(step * step % 37)/", sequence = counter.next(on: topic, from: "fuse")
            #expect(sequence > newest[topic, default: 0])
            newest[topic] = sequence
        }
    }
}
