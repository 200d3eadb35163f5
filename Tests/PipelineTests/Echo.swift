import Messaging
import Pipeline
import Schema

/// A stage for tests: repeats the vectors of readings as feature frames, refuses what is negative, ends with the stream.
struct Echo: Processor {
    struct Input: Inbound {
        let reading: SensorReading
        let values: [Float]

        init(_ message: WireMessage) throws(Refusal) {
            reading = try message.decode()
            guard let part = message.payload.first else { throw Refusal(.truncated, "no payload") }
            values = try [Float](part)
        }
    }

    var seen = 0
    var ticks = 0
    var isFinished = false
    var finishedAt = Instant(nanoseconds: -1)

    mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard input.values.allSatisfy({ $0 >= 0 }) else { throw Refusal(.wrongShape, "\(input.values)") }
        seen += 1
        isFinished = input.reading.ends == .end
        var frame = FeatureFrame()
        frame.frame.sequence = input.reading.stamp.sequence
        return [outgoing(frame, payload: [Payload(input.values)])]
    }

    mutating func tick(at now: Instant) -> [Outgoing] {
        ticks += 1
        return []
    }

    mutating func finish(at now: Instant) -> [Outgoing] {
        var boundary = FeatureFrame()
        boundary.boundary.last = true
        return [outgoing(boundary, payload: [])]
    }

    var telemetry: Telemetry {
        var telemetry = Telemetry()
        telemetry.gauges["seen"] = Double(seen)
        telemetry.modelVersion = 7
        return telemetry
    }

    private func outgoing(_ frame: FeatureFrame, payload: [Payload]) -> Outgoing {
        guard let topic = try? Topics.feature("vector") else { preconditionFailure("“vector” is a component") }
        return Outgoing(frame, on: topic, payload: payload)
    }
}
