import Files
import FilesTesting
import Testing
@testable import TensorBoard

struct EventFileWriterTests {
    private let folder = Folder()

    /// The events of a file, whose checksums are those of their bytes.
    private func events(_ path: String) throws -> [Tensorflow_Event] {
        let bytes = try readFile(path, atMost: 1 << 20)
        var events: [Tensorflow_Event] = [], at = 0
        func number(_ count: Int) -> UInt64 {
            defer { at += count }
            return bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        func masked(_ sum: UInt32) -> UInt64 { UInt64((sum >> 15 | sum << 17) &+ 0xA282_EAD8) }
        while at < bytes.count {
            let head = Array(bytes[at..<at + 8]), size = Int(number(8))
            #expect(number(4) == masked(CRC32C.checksum(of: head)))
            let content = Array(bytes[at..<at + size])
            at += size
            #expect(number(4) == masked(CRC32C.checksum(of: content)))
            events.append(try Tensorflow_Event(serializedBytes: content))
        }
        return events
    }

    @Test func scalarsAreEventsWithTheirStepAndTime() throws {
        let writer = try EventFileWriter(directory: folder.path("run"), time: 1_700_000_000.75)
        #expect(writer.path.hasSuffix("/events.out.tfevents.1700000000.accrete"))
        try writer.add(["loss/model": 1.5, "accuracy/model": 0.25, "broken": .nan], step: 12, time: 1_700_000_001)
        try writer.add(["broken": .infinity], step: 13, time: 1_700_000_002)
        let events = try events(writer.path)
        #expect(events.count == 2 && events[0].fileVersion == "brain.Event:2" && events[0].wallTime == 1_700_000_000.75)
        #expect(events[1].step == 12 && events[1].wallTime == 1_700_000_001)
        #expect(events[1].summary.value.map(\.tag) == ["accuracy/model", "loss/model"])
        #expect(events[1].summary.value.map(\.simpleValue) == [0.25, 1.5])
        #expect(throws: FileError.self) { try EventFileWriter(directory: folder.path("run"), time: 1_700_000_000) }
        _ = try EventFileWriter(directory: folder.path("run"), time: .nan)
    }
}
