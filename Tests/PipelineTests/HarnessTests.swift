import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing

struct HarnessTests {
    private func input(_ values: [Float]) throws -> Echo.Input {
        var reading = SensorReading()
        reading.stamp = Stamp(from: "imu", sequence: 1)
        return try Echo.Input(WireMessage(reading, on: Topics.sensor("vector", "imu"), payload: [Payload(values)]))
    }

    @Test func aProcessorIsTestedWithoutABus() throws {
        var echo = Harness(Echo())
        #expect(echo.send(try input([1])).count == 1)
        #expect(echo.send(try input([-1])).isEmpty)
        #expect(echo.refusals == [Refusal(.wrongShape, "[-1.0]")])
        echo.advance(by: .seconds(2))
        #expect(echo.now == Instant(seconds: 2))
        #expect(echo.processor.ticks == 1)
        #expect(echo.finish().count == 1)
        #expect(echo.outputs.count == 2)
    }

    @Test func aVirtualClockMovesOnlyWhenItIsMoved() {
        let clock = VirtualClock(at: Instant(seconds: 10))
        clock.advance(by: .milliseconds(1_500))
        #expect(clock.now == Instant(nanoseconds: 11_500_000_000))
        #expect(clock.now - Instant(seconds: 10) == .milliseconds(1_500))
    }
}
