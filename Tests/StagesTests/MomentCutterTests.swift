import Schema
import Testing
@testable import Stages

struct MomentCutterTests {
    private let second: Int64 = 1_000_000_000

    @Test func aCutEndsTheMomentAndNumbersRiseByOne() throws {
        var cutter = MomentCutter(.init(), epoch: 7)
        for t in 1...3 {
            #expect(try cutter.reading(session: "a", at: Int64(t) * second, domain: "kitchen", arrived: 0).get() == nil)
            let boundary = try cutter.cut(session: "a", at: Int64(t) * second, kind: .utteranceEnd, domain: "", arrived: 0).get()
            #expect(boundary.ordinal == UInt64(t) && boundary.epoch == 7 && boundary.domain == "kitchen")
        }
    }

    @Test func withoutAnEventTheTimeLimitCutsAtTheNewestReading() throws {
        var settings = MomentCutter.Configuration()
        settings.timeLimit = 2
        var cutter = MomentCutter(settings, epoch: 0)
        let boundaries = try (0...6).compactMap { try cutter.reading(session: "a", at: $0 * second, domain: "", arrived: 0).get() }
        #expect(boundaries.map(\.end) == [2 * second, 5 * second])
        #expect(boundaries.allSatisfy { $0.kind == .timeLimit })
    }

    @Test func aLongSilenceMakesNoEmptyMoments() throws {
        var cutter = MomentCutter(.init(), epoch: 0)
        _ = cutter.reading(session: "a", at: 0, domain: "", arrived: 0)
        _ = cutter.cut(session: "a", at: second, kind: .explicit, domain: "", arrived: 0)
        #expect(try cutter.reading(session: "a", at: 500 * second, domain: "", arrived: 0).get() == nil)
        #expect(cutter.silence(at: 5 * second).isEmpty)
        #expect(cutter.silence(at: 20 * second).map(\.end) == [500 * second])
    }

    @Test func aClockInTheFarFutureIsRefusedAndTheSessionGoesOn() throws {
        var cutter = MomentCutter(.init(), epoch: 0)
        _ = cutter.reading(session: "a", at: second, domain: "", arrived: 0)
        #expect(throws: CutRefusal.clockInFuture) { try cutter.reading(session: "a", at: .max, domain: "", arrived: 0).get() }
        #expect(throws: CutRefusal.clockInFuture) { try cutter.cut(session: "a", at: 9_000 * second, kind: .explicit, domain: "", arrived: 0).get() }
        #expect(try cutter.cut(session: "a", at: 2 * second, kind: .explicit, domain: "", arrived: 0).get().end == 2 * second)
        #expect(throws: CutRefusal.cutRunsBack) { try cutter.cut(session: "a", at: 2 * second, kind: .explicit, domain: "", arrived: 0).get() }
    }

    @Test func onlySoManySessionsAreRemembered() {
        var settings = MomentCutter.Configuration()
        settings.maximumSessions = 3
        var cutter = MomentCutter(settings, epoch: 0)
        for index in 0..<100 { _ = cutter.reading(session: "s\(index)", at: 0, domain: "", arrived: Int64(index)) }
        #expect(cutter.finish(at: 0).map(\.session) == ["s97", "s98", "s99"])
    }
}
