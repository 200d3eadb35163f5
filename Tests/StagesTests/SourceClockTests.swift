import Forgetting
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Testing
@testable import Configuration
@testable import Ingest

/// Sources with different clocks, and impossible stamps.
struct SourceClockTests {
    private func reading(_ source: String, at seconds: Double, clock: String, sequence: UInt64, epoch: UInt64 = 1, ends: CutKind = .none)
        throws -> IngestProcessor.Input
    {
        let message = SensorReading.with {
            $0.stamp = Stamp(from: source, sequence: sequence, epoch: epoch, at: Instant(seconds: seconds))
            $0.stamp.clock = clock
            $0.session = "kitchen"
            $0.modality = "vector"
            $0.format = "vector/f32le"
            $0.ends = ends
        }
        return try .init(WireMessage(message, on: try Topics.sensor("vector", source), payload: [Payload([1] as [Float])]))
    }

    private func live() -> Harness<IngestProcessor> {
        Harness(IngestProcessor(IngestSettings(GraphSettings()), epoch: 1, wallOffset: 0, closer: ""))
    }

    private func times(_ outputs: [IngestProcessor.Output]) -> [Double] {
        outputs.compactMap {
            if case .sample(let sample, _, _) = $0, case .reading(let reading)? = sample.content {
                Double(reading.stamp.time) / 1e9
            } else {
                nil
            }
        }
    }

    private func ends(_ outputs: [IngestProcessor.Output]) -> [Double] {
        outputs.compactMap {
            if case .sample(let sample, let topic, _) = $0, topic.name == "sample.text/", case .boundary(let one)? = sample.content {
                Double(one.end) / 1e9
            } else {
                nil
            }
        }
    }

    @Test(arguments: [(4000.0, 100e-6), (-1e6, -50e-6), (0.25, 0)], [1, 2] as [UInt64])
    func anotherClockIsBroughtToTheSessions(clock: (offset: Double, drift: Double), seed: UInt64) throws {
        var ingest = live(), random = RandomSource(seed: seed)
        // Both every 50 ms for 90 s; a tenth arrives after 1 ms, the rest later.
        var sent: [(at: Double, captured: Double, isHeadset: Bool)] = (0..<1800).flatMap { index in
            [false, true].map { isHeadset in
                let captured = Double(index) * 0.05 + (isHeadset ? 0.02 : 0)
                return (captured + 0.001 + (random.uniform() < 0.1 ? 0 : 0.03 * random.uniform()), captured, isHeadset)
            }
        }
        sent.sort { $0.at < $1.at }
        var elapsed = 0.0, worst = 0.0, sequence: UInt64 = 0
        for one in sent {
            ingest.advance(by: .seconds(one.at - elapsed))
            elapsed = one.at
            sequence += 1
            let stamp = one.isHeadset ? clock.offset + one.captured * (1 + clock.drift) : one.captured
            let corrected = times(
                ingest.send(
                    try reading(
                        one.isHeadset ? "headset" : "phone", at: stamp, clock: one.isHeadset ? "headset" : "phone", sequence: sequence)))
            // times of the session's own clock are left unchanged
            if !one.isHeadset { worst = max(worst, corrected.first.map { abs($0 - one.captured) > 1e-6 ? 1 : 0 } ?? 1) }
            if one.isHeadset, one.captured > 20 { worst = max(worst, abs((corrected.first ?? .infinity) - one.captured)) }
        }
        #expect(ingest.refusals.isEmpty && worst < 0.005, "\(worst) s, seed \(seed)")
        let gauges = ingest.processor.telemetry.gauges
        #expect(abs((gauges["clockOffset.headset"] ?? 0) - (clock.offset + 90 * clock.drift)) < 0.005)
        #expect(abs((gauges["clockDrift.headset"] ?? 1e9) - 1e6 * clock.drift) < 40)
    }

    @Test func aClockThatIsSetIsEstimatedAgain() throws {
        var ingest = live(), sequence: UInt64 = 0, corrected: [Double] = []
        for index in 0..<400 {
            ingest.advance(by: .milliseconds(50))
            sequence += 1
            let now = Double(index) * 0.05
            _ = ingest.send(try reading("phone", at: now, clock: "phone", sequence: sequence))
            corrected = times(
                ingest.send(try reading("headset", at: now + (index < 200 ? 100 : 130), clock: "headset", sequence: sequence)))
            if index > 201 { #expect(abs((corrected.first ?? .infinity) - now) < 0.002, "\(index): \(corrected)") }
        }
    }

    /// A clock falls back to 1970 and sends no more; another clock of the session continues, and its readings keep their session time.
    @Test(arguments: [1.7e9, 8e9, 3_700, 61])
    func aClockThatFallsAndFallsSilentMovesNobodyElse(before: Double) throws {
        var ingest = live(), sequence: UInt64 = 0, worst = 0.0
        _ = ingest.send(try reading("camera", at: before, clock: "own", sequence: 1))
        ingest.advance(by: .milliseconds(1300))
        _ = ingest.send(try reading("camera", at: 0, clock: "own", sequence: 2))
        for index in 1...400 {
            ingest.advance(by: .milliseconds(250))
            sequence += 1
            let corrected = times(ingest.send(try reading("headset", at: 77 + 0.25 * Double(index), clock: "headset", sequence: sequence)))
            worst = max(worst, abs((corrected.first ?? .infinity) - (before + 1.3 + 0.25 * Double(index))))
        }
        #expect(worst < 0.15 && ingest.refusals.isEmpty, "\(worst) s")
    }

    /// A device returns with its clock at 0: its own session continues there, and in another clock's session its time is unchanged.
    @Test(arguments: [5, 300, 50_000.0], [false, true])
    func aDeviceThatStartsAgainGoesOn(uptime: Double, leads: Bool) throws {
        var ingest = live(), boundaries: [Double] = [], sequence: UInt64 = 0
        for boot in [1, 2] as [UInt64] {
            for index in 0..<40 {
                ingest.advance(by: .milliseconds(50))
                sequence += 1
                let device = (boot == 1 ? uptime : 0) + 0.05 * Double(index), wall = Double(sequence) * 0.05
                let stamps = leads ? [("device", device), ("wall", wall)] : [("wall", wall), ("device", device)]
                for (source, seconds) in stamps {
                    let input = try reading(
                        source, at: seconds, clock: source, sequence: sequence, epoch: source == "device" ? boot : 1,
                        ends: source == "device" ? .utteranceEnd : .none)
                    let outputs = ingest.send(input)
                    if source == "wall", !leads { #expect(times(outputs) == [Double(Instant(seconds: wall).nanoseconds) / 1e9]) }
                    boundaries += ends(outputs)
                }
            }
        }
        #expect(ingest.refusals.isEmpty, "\(ingest.refusals)")
        let device = [uptime, 0].flatMap { start in (0..<40).map { start + 0.05 * Double($0) } }, wall = (1...80).map { 0.05 * Double($0) }
        let differences = zip(boundaries, leads ? device : wall).map { abs($0 - $1) }
        #expect(boundaries.count == 80 && (differences.max() ?? .infinity) < 0.002)
    }

    /// Stamps from the ends of their range on three clocks of two sessions: nothing traps, and published times are within their range.
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func noStampIsTooWild(seed: UInt64) throws {
        var settings = GraphSettings(), random = RandomSource(seed: seed)
        if seed % 3 == 0 {
            (settings.cut.clocks.span, settings.cut.clocks.spans, settings.cut.clocks.step, settings.cut.doubtfulJump) = (
                0.001, 2, 0.001, 1e9
            )
        }
        if seed % 3 == 1 { (settings.cut.clocks.span, settings.cut.clocks.maximumClocks, settings.cut.maximumJump) = (3600, 1, 1e9) }
        var ingest = Harness(
            IngestProcessor(IngestSettings(settings), epoch: .max, wallOffset: seed % 2 == 0 ? .max : 1_700_000_000_000_000_000, closer: "")
        )
        let stamps: [Int64] = [
            .min, .min + 1, -9_000_000_000_000_000_000, -1, 0, 1, 1_700_000_000_000_000_000, 9_000_000_000_000_000_000, .max - 1, .max,
        ]
        for index in 1...400 as ClosedRange<UInt64> {
            if random.uniform(below: 3) == 0 { ingest.advance(by: .seconds([0.001, 1.3, 3_000, 1e9][random.uniform(below: 4)])) }
            let source = ["a", "b", "c"][random.uniform(below: 3)],
                message = SensorReading.with {
                    $0.stamp = Stamp(from: source, sequence: index, epoch: [0, 1, .max][random.uniform(below: 3)])
                    $0.stamp.time = stamps[random.uniform(below: stamps.count)]
                    $0.stamp.clock = ["unix", "monotonic", "own"][random.uniform(below: 3)]
                    $0.session = ["kitchen", "garden"][random.uniform(below: 2)]
                    $0.modality = "vector"
                    $0.ends = random.uniform(below: 2) == 0 ? .utteranceEnd : .none
                }
            let outputs = ingest.send(
                try .init(WireMessage(message, on: try Topics.sensor("vector", source), payload: [Payload([1] as [Float])])))
            #expect(times(outputs).allSatisfy { abs($0) <= 9e9 }, "seed \(seed)")
            let gauges = ingest.processor.telemetry.gauges
            #expect(!gauges.values.contains { !$0.isFinite }, "seed \(seed)")
        }
    }

    @Test func oneBadTimeLosesOneReadingOnly() throws {
        var ingest = live()
        let stamps: [(seconds: Double, ends: CutKind)] = [
            (1, .none), (2, .utteranceEnd), (3000, .none), (3, .utteranceEnd), (-500, .none), (4, .none), (5, .utteranceEnd),
        ]
        var boundaries: [Double] = []
        for (index, stamp) in stamps.enumerated() {
            boundaries += ends(
                ingest.send(try reading("phone", at: stamp.seconds, clock: "own", sequence: UInt64(index + 1), ends: stamp.ends)))
        }
        #expect(boundaries == [2, 3, 5])
        #expect(ingest.refusals.map(\.reason.rawValue) == ["clockInFuture"])
    }

    @Test func aTimeFarAheadIsAcceptedWhenASecondReadingAgrees() throws {
        var ingest = live()
        for (index, seconds) in [1.0, 2, 3000, 3001, 3002].enumerated() {
            _ = ingest.send(try reading("phone", at: seconds, clock: "own", sequence: UInt64(index + 1)))
        }
        #expect(ingest.refusals.count == 1)
        #expect(ends(ingest.send(try reading("phone", at: 3003, clock: "own", sequence: 6, ends: .utteranceEnd))) == [3003])
    }

    @Test func aRecordingsTimesAreNotConverted() throws {
        var settings = GraphSettings()
        settings.mode = .lockstep
        var ingest = Harness(IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: ""))
        #expect(times(ingest.send(try reading("a", at: 1, clock: "one", sequence: 1))) == [1])
        #expect(times(ingest.send(try reading("b", at: 900, clock: "two", sequence: 1))) == [900])
        #expect(ingest.refusals.isEmpty)
    }
}
