import Messaging
import PipelineTesting
import Schema
import Testing

struct WireMessageTests {
    @Test func aHeaderIsDecodedAndItsPayloadRead() throws {
        var reading = SensorReading()
        reading.stamp = Stamp(from: "imu", sequence: 3)
        reading.format = "vector/f32le"
        let message = try WireMessage(reading, on: Topics.sensor("vector", "imu"), payload: [Payload([1, -2.5, 3] as [Float])])
        #expect(message.topic == "sensor.vector.imu/")
        #expect(try message.decode(SensorReading.self) == reading)
        #expect(try [Float](message.payload[0]) == [1, -2.5, 3])
        #expect(message.byteCount == 18 + (try reading.serializedBytes() as [UInt8]).count + 12)
    }

    private func reason(_ body: () throws -> Void) -> Reason? {
        (#expect(throws: Refusal.self) { try body() })?.reason
    }

    @Test func whatCannotBeReadHasAReason() throws {
        let topic = try Topics.cut("s")
        #expect(reason { _ = try WireMessage(topic: topic.name, header: [0xFF, 1, 2]).decode(Cut.self) } == .undecodable)
        #expect(reason { _ = try WireMessage(topic: topic.name, header: []).decode(Cut.self) } == .unstamped)
        var cut = Cut()
        cut.stamp = Stamp(from: "a", sequence: 1)
        cut.stamp.schemaVersion = 9
        #expect(reason { _ = try WireMessage(cut, on: topic).decode(Cut.self) } == .schemaVersion)
        let parts = WireMessage(topic: "t/", header: [], payload: [Payload([1, 2, 3] as [UInt8]), Payload([Float.nan])]).payload
        #expect(reason { _ = try [Float](parts[0]) } == .truncated)
        #expect(reason { _ = try [Float](parts[1]) } == .nonFinite)
    }

    @Test func aMessageOutlivesItsBatchAndCanBePassedOn() throws {
        let large = [UInt8](repeating: 42, count: 100_000)
        var part = WireMessage(topic: "t/", header: [9], payload: [Payload(large)]).payload[0]
        for _ in 1...3 { part = WireMessage(topic: "t/", header: [9], payload: [Payload(part)]).payload[0] }
        #expect([UInt8](part) == large)
    }
}
