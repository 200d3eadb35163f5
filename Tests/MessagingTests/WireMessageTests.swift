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

    /// Whatever a header holds, it is decoded or refused.
    @Test func brokenHeadersNeverStopTheProgram() throws {
        var event = MomentEvent()
        event.stamp = Stamp(from: "fuse", sequence: 3)
        event.moment.id = "kitchen/1000"
        event.moment.senses = [Sense(), Sense()]
        event.moment.senses[0].modality = "image"
        let header: [UInt8] = try event.serializedBytes()
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 1...UInt64.max, using: &generator)
        var state = seed
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        var decoded = 0
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = header
            for _ in 0...random(below: 4) { bytes[random(below: bytes.count)] = UInt8(random(below: 256)) }
            bytes.removeLast(random(below: 3) == 0 ? random(below: bytes.count) : 0)
            let message = WireMessage(topic: "moment.kitchen/", header: bytes)
            do throws(Refusal) {
                _ = try (message.stamp(), message.decode(MomentEvent.self))
                decoded += 1
            } catch {
                refused += 1
                #expect([.undecodable, .unstamped, .schemaVersion].contains(error.reason), "seed \(seed)")
            }
        }
        #expect(decoded > 1_000 && refused > 1_000, "seed \(seed): \(decoded) decoded, \(refused) refused")
    }

    @Test func aMessageOutlivesItsBatchAndCanBePassedOn() throws {
        let large = [UInt8](repeating: 42, count: 100_000)
        var part = WireMessage(topic: "t/", header: [9], payload: [Payload(large)]).payload[0]
        for _ in 1...3 { part = WireMessage(topic: "t/", header: [9], payload: [Payload(part)]).payload[0] }
        #expect([UInt8](part) == large)
    }
}
