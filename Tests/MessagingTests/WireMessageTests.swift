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

    @Test func whatIsTooLongInAHeaderIsRefusedBeforeAnythingIsKept() throws {
        func refusal<Message: Stamped>(_ change: (inout Message) -> Void) throws -> Reason? {
            var message = Message()
            message.stamp = Stamp(from: "a", sequence: 1)
            change(&message)
            let wire = WireMessage(topic: "t/", header: try message.serializedBytes())
            do throws(Refusal) {
                _ = try wire.decode(Message.self)
                return nil
            } catch {
                return error.reason
            }
        }
        let longest = String(repeating: "x", count: 160), tooLong = longest + "x"
        let names: [(String) throws -> Reason?] = [
            { name in try refusal { (reading: inout SensorReading) in reading.domain = name } },
            { name in try refusal { (reading: inout SensorReading) in reading.format = name } },
            { name in try refusal { (reading: inout SensorReading) in reading.stamp.clock = name } },
            { name in try refusal { (cut: inout Cut) in cut.domain = name } },
            { name in try refusal { (feedback: inout Feedback) in feedback.moment = name } },
            { name in try refusal { (feedback: inout Feedback) in feedback.decision = name } },
            { name in try refusal { (request: inout ExplainRequest) in request.moment = name } },
            { name in try refusal { (sample: inout Sample) in sample.reading.session = name } },
            { name in try refusal { (event: inout MomentEvent) in event.decision.action.policy = name } },
            { name in try refusal { (event: inout MomentEvent) in event.moment.senses = [Sense.with { $0.modality = name }] } },
            { name in try refusal { (status: inout Status) in status.drops = [name: 1] } },
            { name in try refusal { (status: inout Status) in status.latency = [name: Quantiles()] } },
            { name in try refusal { (event: inout MomentEvent) in event.decision.muted = [name] } },
        ]
        for name in names {
            #expect(try name(longest) == nil)
            #expect(try name(tooLong) == .tooLarge)
        }
        // Texts and JSON may be longer; lists and maps have a bound on their entries.
        let text = String(repeating: "x", count: 64 << 10)
        #expect(try refusal { (update: inout ModelUpdate) in update.configuration = text } == nil)
        #expect(try refusal { (update: inout ModelUpdate) in update.configuration = text + "x" } == .tooLarge)
        let many = Dictionary(uniqueKeysWithValues: (1...4_096).map { ("k\($0)", 1.0) })
        #expect(try refusal { (status: inout Status) in status.gauges = many } == nil)
        #expect(try refusal { (status: inout Status) in status.gauges = many.merging(["one more": 1]) { $1 } } == .tooLarge)
        #expect(try refusal { (event: inout MomentEvent) in event.moment.senses = Array(repeating: Sense(), count: 4_097) } == .tooLarge)
        // The stamp alone is looked at in the same way.
        let stamped = Cut.with {
            $0.stamp = Stamp(from: "a", sequence: 1); $0.stamp.clock = tooLong
        }
        #expect(reason { _ = try WireMessage(stamped, on: try Topics.cut("s")).stamp() } == .tooLarge)
    }

    @Test func whatIsUnknownInAHeaderIsNotCarriedOn() throws {
        var later = Envelope()
        later.stamp = Stamp(from: "a", sequence: 1)
        let unknown: [UInt8] = [0xFA, 0x7F, 3, 1, 2, 3]  // field 2047, three bytes
        let bytes: [UInt8] = try later.serializedBytes() + unknown
        let cut: Cut = try WireMessage(topic: "cut.s/", header: bytes).decode()
        #expect(try cut.serializedBytes() as [UInt8] == later.serializedBytes())
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

    /// Small parts live where the batch keeps them, in blocks; no message is torn where a block ends.
    @Test func partsStayWhatTheyAreHoweverManyThereAre() {
        func bytes(_ message: Int, _ part: Int) -> [UInt8] { [UInt8](repeating: UInt8(message), count: part * 7 % 60) + [UInt8(part)] }
        let batch = MessageBatch()
        let sizes = [0, 1, 13, 40, 300]
        for message in 0..<100 {
            let payload = (0..<sizes[message % 5]).map { Payload(bytes(message, $0 % 200)) }
            batch.append(topic: "t\(message)/", header: [UInt8(message)], payload: payload)
        }
        for message in 0..<100 {
            #expect(batch[message].topic == "t\(message)/" && [UInt8](batch[message].header) == [UInt8(message)])
            #expect(batch[message].payload.map { [UInt8]($0) } == (0..<sizes[message % 5]).map { bytes(message, $0 % 200) })
        }
    }

    @Test func aMessageOutlivesItsBatchAndCanBePassedOn() throws {
        let large = [UInt8](repeating: 42, count: 100_000)
        var part = WireMessage(topic: "t/", header: [9], payload: [Payload(large)]).payload[0]
        for _ in 1...3 { part = WireMessage(topic: "t/", header: [9], payload: [Payload(part)]).payload[0] }
        #expect([UInt8](part) == large)
    }
}
