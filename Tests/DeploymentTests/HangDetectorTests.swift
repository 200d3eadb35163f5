import Foundation
import Stages
import Testing
@testable import Deployment

/// Processes with processor times of the test's own.
struct LifeSignsTests {
    private final class Times { var byProcess: [Int32: UInt64] = [7: 1] }

    private let times = Times()
    private var signs: LifeSigns

    init() {
        var settings = SuperviseSettings()
        (settings.silence, settings.startTimeout) = (20, 60)
        signs = LifeSigns(settings) { [times] in times.byProcess[$0] }
        signs.look(at: 100)
        signs.started("fuse", 7)
        signs.look(at: 100)
    }

    private mutating func pass(_ seconds: Int, working: Bool) {
        for _ in 0..<seconds {
            if working { times.byProcess[7, default: 0] += 1 }
            signs.look(at: 100 + signs.watched + 1)
        }
    }

    @Test mutating func aProcessThatTellsNothingAndDoesNothingHangs() {
        signs.heard(process: 7)
        pass(20, working: false)
        #expect(signs.hanging.isEmpty)
        pass(1, working: false)
        #expect(
            signs.hanging.map(\.name) == ["fuse"] && signs.hanging[0].process == 7
                && signs.hanging[0].hang == Hang(seconds: 21, isBusy: false))
        signs.heard(process: 7)
        #expect(signs.hanging.isEmpty)
    }

    @Test mutating func aProcessAtALongMessageIsGivenThirtyTimesAsLong() {
        signs.heard(process: 7)
        pass(600, working: true)
        #expect(signs.hanging.isEmpty)
        pass(1, working: true)
        #expect(signs.hanging.map(\.hang) == [Hang(seconds: 601, isBusy: true)])
    }

    @Test mutating func beforeItsFirstStatusAProcessHasTheStartsTimeToo() {
        pass(80, working: false)
        #expect(signs.hanging.isEmpty)
        pass(1, working: false)
        #expect(signs.hanging.map(\.name) == ["fuse"])
    }

    @Test mutating func timeThatNobodyWatchedDoesNotCount() {
        signs.heard(process: 7)
        signs.look(at: 100_000)  // the machine slept
        #expect(signs.hanging.isEmpty && signs.watched == 2)
    }

    @Test mutating func whatHasEndedHangsNoMore() {
        signs.heard(process: 7)
        pass(30, working: false)
        signs.ended("fuse")
        #expect(signs.hanging.isEmpty)
        signs.heard(process: 7)  // its last status came late
        #expect(signs.hanging.isEmpty)
    }

    @Test func processorTimeOfThisProcessGrows() throws {
        let before = try #require(LifeSigns.processorTime(of: getpid()))
        while LifeSigns.processorTime(of: getpid()) == before {}
        #expect(LifeSigns.processorTime(of: getpid()) ?? 0 > before)
        #expect(LifeSigns.processorTime(of: 0x7FFF_FFFF) == nil)
    }
}
