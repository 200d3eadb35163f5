import Foundation
import Configuration
import Testing
@testable import Deployment

/// Processes with simulated processor times.
struct HangDetectorTests {
    private final class Times { var byProcess: [Int32: UInt64] = [7: 1] }

    private let times = Times()
    private var detector: HangDetector

    init() {
        var settings = SuperviseSettings()
        (settings.silence, settings.startTimeout) = (20, 60)
        detector = HangDetector(settings) { [times] in times.byProcess[$0] }
        detector.update(at: 100)
        detector.started("fuse", 7)
        detector.update(at: 100)
    }

    private mutating func pass(_ seconds: Int, working: Bool) {
        for _ in 0..<seconds {
            if working { times.byProcess[7, default: 0] += 1 }
            detector.update(at: 100 + detector.elapsed + 1)
        }
    }

    @Test mutating func aProcessWithoutStatusAndProcessorTimeIsHung() {
        detector.receivedStatus(from: 7)
        pass(20, working: false)
        #expect(detector.hanging.isEmpty)
        pass(1, working: false)
        #expect(
            detector.hanging.map(\.name) == ["fuse"] && detector.hanging[0].process == 7
                && detector.hanging[0].hang == Hang(seconds: 21, isBusy: false))
        detector.receivedStatus(from: 7)
        #expect(detector.hanging.isEmpty)
    }

    @Test mutating func aProcessAtALongMessageIsGivenThirtyTimesAsLong() {
        detector.receivedStatus(from: 7)
        pass(600, working: true)
        #expect(detector.hanging.isEmpty)
        pass(1, working: true)
        #expect(detector.hanging.map(\.hang) == [Hang(seconds: 601, isBusy: true)])
    }

    @Test mutating func beforeItsFirstStatusAProcessHasTheStartsTimeToo() {
        pass(80, working: false)
        #expect(detector.hanging.isEmpty)
        pass(1, working: false)
        #expect(detector.hanging.map(\.name) == ["fuse"])
    }

    @Test mutating func timeInWhichTheSupervisorDidNotRunDoesNotCount() {
        detector.receivedStatus(from: 7)
        detector.update(at: 100_000)  // the machine slept
        #expect(detector.hanging.isEmpty && detector.elapsed == 2)
    }

    @Test mutating func whatHasEndedHangsNoMore() {
        detector.receivedStatus(from: 7)
        pass(30, working: false)
        detector.ended("fuse")
        #expect(detector.hanging.isEmpty)
        detector.receivedStatus(from: 7)  // its last status came late
        #expect(detector.hanging.isEmpty)
    }

    @Test func processorTimeOfThisProcessGrows() throws {
        let before = try #require(HangDetector.processorTime(of: getpid()))
        while HangDetector.processorTime(of: getpid()) == before {}
        #expect(HangDetector.processorTime(of: getpid()) ?? 0 > before)
        #expect(HangDetector.processorTime(of: 0x7FFF_FFFF) == nil)
    }
}
