import Schema
import Statistics
import Testing
@testable import Timing

private let second: Int64 = 1_000_000_000

/// A cutter and the results of its events: boundaries in order, and refusals.
private struct Stream {
    var cutter: MomentCutter
    var boundaries: [Boundary] = []
    var refusals: [CutRefusal] = []
    /// Of the events that were not refused.
    var times: [Int64] = []

    init(_ settings: MomentCutter.Configuration = .init(), epoch: UInt64 = 1, live: Bool = false) {
        cutter = MomentCutter(settings, epoch: epoch, doubts: live)
    }

    @discardableResult
    mutating func reading(
        _ session: String = "a", at time: Int64, by source: String = "phone", epoch: UInt64 = 1, ends: CutKind? = nil, domain: String = "",
        arrived: Int64 = 0
    ) -> UInt64? {
        var event = MomentCutter.Event(session: session, time: time)
        (event.source, event.epoch, event.ends, event.domain, event.arrived) = (source, epoch, ends, domain, arrived)
        return take(event)
    }

    mutating func cut(_ session: String = "a", at time: Int64, kind: CutKind = .explicit, arrived: Int64 = 0) {
        var event = MomentCutter.Event(session: session, time: time)
        (event.isReading, event.ends, event.arrived) = (false, kind, arrived)
        _ = take(event)
    }

    private mutating func take(_ event: MomentCutter.Event) -> UInt64? {
        do {
            let outcome = try cutter.take(event)
            times.append(outcome.time)
            boundaries += outcome.before + (outcome.boundary.map { [$0] } ?? [])
            return outcome.timeline
        } catch {
            refusals.append(error)
            return nil
        }
    }

    var ends: [Double] { boundaries.map { Double($0.end) / 1e9 } }
}

struct MomentCutterTests {
    @Test func aCutEndsTheMomentAndNumbersRiseByOne() {
        var stream = Stream(epoch: 7)
        for t in 1...3 {
            stream.reading(at: Int64(t) * second, domain: "kitchen")
            stream.cut(at: Int64(t) * second, kind: .utteranceEnd)
        }
        #expect(stream.boundaries.map(\.ordinal) == [1, 2, 3])
        #expect(stream.boundaries.allSatisfy { $0.epoch == 7 && $0.domain == "kitchen" && $0.kind == .utteranceEnd })
    }

    @Test func withoutAnEventTheTimeLimitCutsAtTheNewestReading() {
        var settings = MomentCutter.Configuration()
        settings.timeLimit = 2
        var stream = Stream(settings)
        for t in 0...6 { stream.reading(at: Int64(t) * second) }
        #expect(stream.ends == [2, 5] && stream.boundaries.allSatisfy { $0.kind == .timeLimit })
    }

    /// Words come later than their sound; the time limit, or a cut, may have ended its moment meanwhile.
    @Test(arguments: [false, true]) func wordsWhoseMomentHasEndedEndTheOneThatIsOpen(live: Bool) {
        var settings = MomentCutter.Configuration()
        settings.timeLimit = 2
        var stream = Stream(settings, live: live)
        for t in 0...25 as ClosedRange<Int64> { stream.reading(at: t * second / 10, by: "microphone") }
        #expect(stream.ends == [2])
        stream.reading(at: 19 * second / 10, by: "microphone-words", ends: .utteranceEnd)
        #expect(stream.ends == [2, 2.5] && stream.times.last == 25 * second / 10 && stream.boundaries.last?.kind == .utteranceEnd)
        stream.reading(at: 24 * second / 10, by: "microphone-words", ends: .utteranceEnd)  // nothing has come since
        #expect(stream.boundaries.last?.end == 25 * second / 10 + 1 && stream.times.last == 25 * second / 10 + 1)
        stream.reading(at: second / 10, by: "microphone-words", ends: .utteranceEnd)  // longer ago than a moment lasts
        stream.reading(at: 19 * second / 10, by: "button", ends: .labelRequest)
        stream.cut(at: 19 * second / 10, kind: .utteranceEnd)
        #expect(stream.refusals == [.cutRunsBack, .cutRunsBack, .cutRunsBack] && stream.boundaries.count == 3)
        #expect(stream.boundaries.map(\.ordinal) == [1, 2, 3])
    }

    @Test func aLongSilenceMakesNoEmptyMoments() {
        var stream = Stream()
        stream.reading(at: 0)
        stream.cut(at: second)
        stream.reading(at: 500 * second)
        #expect(stream.ends == [1])
        #expect(stream.cutter.silence(at: 5 * second).isEmpty)
        #expect(stream.cutter.silence(at: 20 * second).map(\.end) == [500 * second])
    }

    @Test func oneTimeInTheFarFutureIsRefusedLiveAndTheSessionGoesOn() {
        var stream = Stream(live: true)
        stream.reading(at: second)
        stream.reading(at: .max)
        stream.cut(at: 9_000 * second)
        stream.cut(at: 2 * second)
        stream.cut(at: 2 * second)
        #expect(stream.ends == [2] && stream.refusals == [.clockInFuture, .clockInFuture, .cutRunsBack])
    }

    @Test(arguments: [3_540, 3_660, 172_800, 3_000_000_000] as [Int64])
    func aPauseOfAnyLengthLosesNothingInLockstep(pause: Int64) {
        var stream = Stream()
        let times = [0, 1, 2, pause + 2, pause + 3, 2 * pause + 3].map { $0 * second }
        for time in times { stream.reading(at: time, ends: .utteranceEnd) }
        #expect(stream.refusals.isEmpty && stream.boundaries.map(\.end) == times)
    }

    @Test func anOpenMomentEndsWhereAPauseBegins() {
        var stream = Stream()
        for t in [0, 1, 2, 100_000, 100_001] as [Int64] { stream.reading(at: t * second) }
        #expect(stream.ends == [2] && stream.cutter.finish().map(\.end) == [100_001 * second])
    }

    @Test(arguments: [61, 3_660, 172_800] as [Int64])
    func aPauseThatTheArrivalsShowLosesNothingLive(pause: Int64) {
        var stream = Stream(live: true)
        for t in [0, 1, pause + 1, pause + 2] as [Int64] { stream.reading(at: t * second, ends: .utteranceEnd, arrived: (t + 5) * second) }
        #expect(stream.refusals.isEmpty && stream.ends == [0, 1, pause + 1, pause + 2].map(Double.init))
    }

    @Test func aClockThatJumpsAheadIsAcceptedWithItsSecondReading() {
        var stream = Stream(live: true)
        for t in [0, 1, 90_000, 90_001, 90_002] as [Int64] { stream.reading(at: t * second, ends: .utteranceEnd) }
        #expect(stream.refusals == [.clockInFuture] && stream.ends == [0, 1, 90_001, 90_002])
    }

    @Test(arguments: [1, 40, 3_000, 50_000] as [Int64], [false, true])
    func aDeviceThatStartsAgainGoesOnAtOnce(uptime: Int64, live: Bool) {
        var stream = Stream(live: live), arrived: Int64 = 0
        var timelines: [UInt64?] = []
        for (epoch, first) in [(10, uptime), (11, 0), (12, 0)] as [(UInt64, Int64)] {
            for index in 0..<4 as Range<Int64> {
                arrived += second / 10
                for source in ["camera", "speech"] {
                    timelines.append(
                        stream.reading(
                            at: first * second + index * second / 10 + (source == "speech" ? 1000 : 0), by: source, epoch: epoch,
                            ends: source == "speech" ? .utteranceEnd : nil, arrived: arrived))
                }
            }
        }
        #expect(stream.refusals.isEmpty && stream.boundaries.count == 12)
        #expect(stream.boundaries.map(\.ordinal) == Array(1...12))
        #expect(
            Set(timelines[..<8]).count == 1 && Set(timelines[8..<16]).count == 1 && Set(timelines[16...]).count == 1
                && Set(timelines).count == 3)
    }

    @Test func aSourceThatStartsAgainOnAClockThatGoesOnChangesNothing() {
        var stream = Stream()
        stream.reading(at: 10 * second, by: "camera", epoch: 1)
        let before = stream.reading(at: 11 * second, by: "microphone", epoch: 1)
        let after = stream.reading(at: 10 * second + 5, by: "camera", epoch: 2)
        #expect(before == after && stream.boundaries.isEmpty)
    }

    @Test(arguments: [false, true])
    func aClockThatFallsIsBelievedWithItsSecondReading(live: Bool) {
        var stream = Stream(live: live)
        for t in [5_000, 5_001, 0, 1, 2] as [Int64] { stream.reading(at: t * second, ends: .utteranceEnd) }
        #expect(stream.refusals == [.cutRunsBack] && stream.ends == [5_000, 5_001, 1, 2])
    }

    @Test(arguments: [false, true], [4_000, -4_000, 9_000_000_000, -9_000_000_000] as [Int64])
    func aWrongTimeIsLeftBehind(live: Bool, wrong: Int64) {
        var stream = Stream(live: live)
        for t in [1, 2, wrong, 3, 4] as [Int64] { stream.reading(at: t * second, ends: .utteranceEnd) }
        #expect(stream.ends.filter { $0 != Double(wrong) } == [1, 2, 3, 4])
    }

    /// The first reading of a source that is new in the session needs confirmation.
    @Test(arguments: [false, true], [3_700, -3_700] as [Int64])
    func sourcesThatAreHoursApartDoNotDisturbEachOther(live: Bool, apart: Int64) {
        var stream = Stream(live: live)
        for t in 0..<50 as Range<Int64> {
            for _ in 0..<3 { stream.reading(at: (t + apart) * second, by: "microphone", arrived: t * second) }
            stream.reading(at: t * second, by: "camera", ends: .utteranceEnd, arrived: t * second)
        }
        let ends = stream.boundaries.filter { $0.kind == .utteranceEnd }.map(\.end)
        #expect(ends.suffix(49) == (1..<50).map { $0 * second } && stream.refusals.count <= 1)
    }

    @Test func onlySoManySessionsAreRememberedAndNoneLosesItsMoment() {
        var settings = MomentCutter.Configuration()
        settings.maximumSessions = 3
        var stream = Stream(settings)
        for index in 0..<100 { stream.reading("s\(index)", at: 0) }
        #expect(stream.cutter.finish().map(\.session) == ["s97", "s98", "s99"])
        #expect(stream.boundaries.map(\.session) == (0..<97).map { "s\($0)" })
    }

    /// Times, epochs and arrivals from the ends of their ranges, in every order that a seed gives: numbers rise by one, and nothing traps.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func noTimeIsTooWild(seed: UInt64) {
        let times: [Int64] = [.min, .min + 1, -9_000_000_000 * second, -1, 0, 1, second, 9_000_000_000 * second, .max - 1, .max]
        var random = RandomSource(seed: seed)
        var settings = MomentCutter.Configuration()
        if seed % 4 == 0 { (settings.maximumJump, settings.doubtfulJump, settings.timeLimit) = (1e9, 1e9, 86_400) }
        if seed % 4 == 1 { (settings.maximumJump, settings.doubtfulJump, settings.timeLimit) = (0.01, 0.01, 0.01) }
        (settings.maximumSessions, settings.maximumSources) = (2, 2)
        var stream = Stream(settings, epoch: .max - 3, live: seed % 2 == 0)
        for _ in 0..<500 {
            let time = times[random.uniform(below: times.count)], arrived = times[random.uniform(below: times.count)],
                session = "\(random.uniform(below: 3))"
            let epoch: UInt64 = [0, 1, .max][random.uniform(below: 3)]
            switch random.uniform(below: 5) {
            case 0: stream.cut(session, at: time, arrived: arrived)
            case 1: stream.boundaries += stream.cutter.silence(at: arrived)
            default:
                let kind: CutKind? = random.uniform(below: 2) == 0 ? .utteranceEnd : nil
                stream.reading(session, at: time, by: "\(random.uniform(below: 3))", epoch: epoch, ends: kind, arrived: arrived)
            }
        }
        stream.boundaries += stream.cutter.finish()
        #expect(stream.boundaries.map(\.ordinal) == stream.boundaries.indices.map { UInt64($0 + 1) }, "seed \(seed)")
    }
}
