import Messaging
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Testing
@testable import Stages

/// Sources with clocks of their own, and stamps that cannot be.
struct SourceClockTests {
    private func reading(_ source: String, at seconds: Double, clock: String, sequence: UInt64, ends: CutKind = .none) throws -> IngestProcessor.Input {
        let message = SensorReading.with {
            $0.stamp = Stamp(from: source, sequence: sequence, at: Instant(seconds: seconds))
            $0.stamp.clock = clock
            $0.session = "kitchen"
            $0.modality = "vector"
            $0.format = "vector/f32le"
            $0.ends = ends
        }
        return try .init(WireMessage(message, on: try Topics.sensor("vector", source), payload: [Payload([1] as [Float])]))
    }

    private func live() -> Harness<IngestProcessor> { Harness(IngestProcessor(Settings(), epoch: 1, wallOffset: 0, closer: "")) }

    private func times(_ outputs: [IngestProcessor.Output]) -> [Double] {
        outputs.compactMap { if case .sample(let sample, _, _) = $0, case .reading(let reading)? = sample.content { Double(reading.stamp.time) / 1e9 } else { nil } }
    }

    private func ends(_ outputs: [IngestProcessor.Output]) -> [Double] {
        outputs.compactMap { if case .sample(let sample, let topic, _) = $0, topic.name == "sample.text/", case .boundary(let one)? = sample.content { Double(one.end) / 1e9 } else { nil } }
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
            let told = times(ingest.send(try reading(one.isHeadset ? "headset" : "phone", at: stamp, clock: one.isHeadset ? "headset" : "phone", sequence: sequence)))
            if !one.isHeadset { worst = max(worst, told.first.map { abs($0 - one.captured) > 1e-6 ? 1 : 0 } ?? 1) }  // the session's own is left as it is
            if one.isHeadset, one.captured > 20 { worst = max(worst, abs((told.first ?? .infinity) - one.captured)) }
        }
        #expect(ingest.refusals.isEmpty && worst < 0.005, "\(worst) s, seed \(seed)")
        let gauges = ingest.processor.telemetry.gauges
        #expect(abs((gauges["clockOffset.headset"] ?? 0) - (clock.offset + 90 * clock.drift)) < 0.005)
        #expect(abs((gauges["clockDrift.headset"] ?? 1e9) - 1e6 * clock.drift) < 40)
    }

    @Test func aClockThatIsSetIsLearnedAnew() throws {
        var ingest = live(), sequence: UInt64 = 0, told: [Double] = []
        for index in 0..<400 {
            ingest.advance(by: .milliseconds(50))
            sequence += 1
            let now = Double(index) * 0.05
            _ = ingest.send(try reading("phone", at: now, clock: "phone", sequence: sequence))
            told = times(ingest.send(try reading("headset", at: now + (index < 200 ? 100 : 130), clock: "headset", sequence: sequence)))
            if index > 201 { #expect(abs((told.first ?? .infinity) - now) < 0.002, "\(index): \(told)") }
        }
    }

    @Test func oneBadTimeCostsOneReadingAndNoMore() throws {
        var ingest = live()
        let stamps: [(seconds: Double, ends: CutKind)] = [(1, .none), (2, .utteranceEnd), (3000, .none), (3, .utteranceEnd), (-500, .none), (4, .none), (5, .utteranceEnd)]
        var boundaries: [Double] = []
        for (index, stamp) in stamps.enumerated() {
            boundaries += ends(ingest.send(try reading("phone", at: stamp.seconds, clock: "own", sequence: UInt64(index + 1), ends: stamp.ends)))
        }
        #expect(boundaries == [2, 3, 5])
        #expect(ingest.refusals.map(\.reason.rawValue) == ["clockInFuture"])
    }

    @Test func aTimeFarAheadIsBelievedWhenASecondReadingAgrees() throws {
        var ingest = live()
        for (index, seconds) in [1.0, 2, 3000, 3001, 3002].enumerated() {
            _ = ingest.send(try reading("phone", at: seconds, clock: "own", sequence: UInt64(index + 1)))
        }
        #expect(ingest.refusals.count == 1)
        #expect(ends(ingest.send(try reading("phone", at: 3003, clock: "own", sequence: 6, ends: .utteranceEnd))) == [3003])
    }

    @Test func aRecordingsTimesAreTakenAsTheyAre() throws {
        var settings = Settings()
        settings.mode = .lockstep
        var ingest = Harness(IngestProcessor(settings, epoch: 1, wallOffset: 0, closer: ""))
        #expect(times(ingest.send(try reading("a", at: 1, clock: "one", sequence: 1))) == [1])
        #expect(times(ingest.send(try reading("b", at: 900, clock: "two", sequence: 1))) == [900])
        #expect(ingest.refusals.isEmpty)
    }
}
