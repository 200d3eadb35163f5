import Files
import FilesTesting
import Foundation
import Testing
@testable import MCAP

struct MCAPTests {
    private let folder = Folder()
    private var path: String { folder.path("recording.mcap") }

    private func bytes() throws -> [UInt8] { try readFile(path, atMost: 1 << 28) }

    private struct Written: Equatable {
        var topic: String, schema: String?, sequence: UInt32, logTime: UInt64, publishTime: UInt64, data: [UInt8]

        init(_ message: MCAPMessage) {
            (topic, schema, sequence) = (message.channel.topic, message.channel.schema?.name, message.sequence)
            (logTime, publishTime, data) = (message.logTime, message.publishTime, message.data)
        }
    }

    /// Two channels of one schema and one without, in chunks of a few messages.
    private func write(
        _ count: Int = 40, _ compression: MCAPCompression = .zstd, chunkBytes: Int = 600, finished: Bool = true
    ) throws -> [Written] {
        var options = MCAPWriter.Options()
        options.compression = compression
        options.chunkBytes = chunkBytes
        let writer = try MCAPWriter(creating: path, profile: "test", library: "tests", options: options)
        let schema = MCAPSchema(name: "a.B", encoding: "protobuf", data: [1, 2, 3])
        let channels = try [
            writer.addChannel(topic: "one", encoding: "protobuf", schema: schema, metadata: ["k": "é"]),
            writer.addChannel(topic: "two", encoding: "protobuf", schema: schema),
            writer.addChannel(topic: "three", encoding: "json", schema: nil),
        ]
        try writer.add(metadata: ["by": "hand"], name: "notes")
        var written: [Written] = []
        for index in 0..<count {
            let data = (0..<index % 7 * 20).map { UInt8(truncatingIfNeeded: $0 * index) }
            let message = MCAPMessage(
                channel: .init(
                    id: 0, topic: ["one", "two", "three"][index % 3], encoding: "", schema: index % 3 < 2 ? schema : nil),
                sequence: UInt32(index), logTime: UInt64(1000 + (index ^ 1)), publishTime: UInt64(index), data: data)
            try writer.add(
                data, to: channels[index % 3], sequence: message.sequence, logTime: message.logTime, publishTime: message.publishTime)
            written.append(Written(message))
        }
        if finished { try writer.finish() } else { try writer.flush() }
        return written
    }

    private func read(
        _ bytes: [UInt8], _ limits: MCAPLimits = .init()
    ) throws -> (messages: [Written], problems: [MCAPError], end: MCAPReader.End?) {
        var reader = try MCAPReader(bytes: bytes, limits: limits)
        var messages: [Written] = [], problems: [MCAPError] = []
        while let result = reader.next() {
            switch result {
            case .success(let message): messages.append(Written(message))
            case .failure(let error): problems.append(error)
            }
        }
        return (messages, problems, reader.end)
    }

    @Test(arguments: MCAPCompression.allCases)
    func whatIsWrittenIsRead(_ compression: MCAPCompression) throws {
        let written = try write(40, compression)
        var reader = try MCAPReader(path: path)
        #expect(reader.profile == "test" && reader.library == "tests")
        let messages = try Array(reader).map { try $0.get() }
        #expect(messages.map(Written.init) == written)
        #expect(messages[0].channel.metadata == ["k": "é"] && messages[0].channel.schema?.data == [1, 2, 3])
        while reader.next() != nil {}
        #expect(reader.end == .complete && reader.metadata == ["notes": ["by": "hand"]])
    }

    @Test func aFileWithoutMessagesIsWhole() throws {
        try MCAPWriter(creating: path, library: "tests").finish()
        let (messages, problems, end) = try read(bytes())
        #expect(messages.isEmpty && problems.isEmpty && end == .complete)
        #expect(throws: FileError.self) { try MCAPWriter(creating: path, library: "tests") }
    }

    /// A file that ends at any byte gives all messages that are whole: at least those of all chunks before, and never another.
    @Test(arguments: MCAPCompression.allCases)
    func aTornFileGivesAllThatIsWhole(_ compression: MCAPCompression) throws {
        let written = try write(40, compression), whole = try bytes()
        var least = 0
        for length in magic.count..<whole.count {
            guard let (messages, problems, end) = try? read(Array(whole[..<length])) else {
                #expect(length < 40, "only a file that ends in its header is refused")
                continue
            }
            #expect(end == .torn && problems.isEmpty, "\(length): \(problems)")
            #expect(messages == Array(written.prefix(messages.count)) && messages.count >= least, "\(length)")
            least = messages.count
        }
        #expect(least == written.count)
    }

    @Test func whatWasFlushedIsReadAfterTheWriterIsGone() throws {
        let written = try write(40, finished: false)
        let (messages, problems, end) = try read(bytes())
        #expect(messages == written && problems.isEmpty && end == .torn)
    }

    /// Every byte changed in turn: nothing traps, and what is read is as it was written, or its checksum told of it.
    @Test func aChangedByteIsNoticedOrChangesOneMessage() throws {
        let written = try write(12, chunkBytes: 300), whole = try bytes()
        for index in whole.indices {
            var changed = whole
            changed[index] ^= 0x10
            guard let (messages, problems, end) = try? read(changed) else { continue }
            #expect(messages == written || !problems.isEmpty || end == .torn || index < 60, "byte \(index)")
        }
    }

    @Test func aDamagedChunkCostsItsOwnMessages() throws {
        let written = try write(40, .none), whole = try bytes()
        let place = try #require(whole.indices.first { $0 > 400 && whole[$0...].starts(with: [0, 19, 38, 57]) })
        var changed = whole
        changed[place + 1] ^= 1
        let (messages, problems, end) = try read(changed)
        #expect(problems.map(\.reason) == [.damaged, .damaged] && end == .complete)  // the chunk, and the sum over all
        #expect(messages.count < written.count && messages.count > written.count / 2)
        #expect(messages.allSatisfy(written.contains))
    }

    @Test func sizesAreCheckedBeforeAnythingIsAllocated() throws {
        _ = try write(40, .none)
        let whole = try bytes()
        var huge = whole
        huge.replaceSubrange(9..<17, with: [UInt8](repeating: 0xFF, count: 8))
        #expect(throws: MCAPError.self) { try read(huge) }
        var limits = MCAPLimits()
        limits.recordBytes = 500
        let (_, problems, end) = try read(whole, limits)
        #expect(problems.first?.reason == .tooLarge && end == .torn)
        limits = MCAPLimits()
        limits.descriptionBytes = 20
        #expect(try read(whole, limits).problems.first?.reason == .tooLarge)
        // A chunk that announces more than it has takes no more memory than it has.
        let chunk = RecordBuilder.record(.chunk) {
            $0.add(raw: [UInt8](repeating: 0, count: 16))
            $0.add(UInt64(1 << 28))
            $0.add(0 as UInt32)
            $0.add("zstd")
            $0.add(0 as UInt64)
        }
        let header = RecordBuilder.record(.header) {
            $0.add("")
            $0.add("")
        }
        #expect(try read(magic + header + chunk).problems.map(\.reason) == [.damaged])
    }

    @Test func theIndexOfChunksHasABound() throws {
        var options = MCAPWriter.Options()
        (options.chunkBytes, options.indexBytes) = (1, 200)
        let writer = try MCAPWriter(creating: path, library: "tests", options: options)
        let channel = try writer.addChannel(topic: "one", encoding: "json", schema: nil)
        #expect(throws: MCAPError.self) {
            for index in 0..<10 { try writer.add([1], to: channel, sequence: 0, logTime: UInt64(index)) }
        }
    }

    /// A frame of the lz4 program's: 64 letters in four bytes and a few.
    @Test func chunksCompressedWithLZ4AreRead() throws {
        let records =
            RecordBuilder.record(.channel) {
                $0.add(1 as UInt16)
                $0.add(0 as UInt16)
                $0.add("one")
                $0.add("json")
                $0.add([String: String]())
            }
            + RecordBuilder.record(.message) {
                $0.add(1 as UInt16)
                $0.add(7 as UInt32)
                $0.add(1 as UInt64)
                $0.add(2 as UInt64)
                $0.add(raw: Array("{}".utf8))
            }
        // One block that is stored as it is: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
        var frame = RecordBuilder()
        frame.add(0x184D_2204 as UInt32)
        frame.add(raw: [0x60, 0x40, 0x82])
        frame.add(UInt32(records.count) | 1 << 31)
        frame.add(raw: records)
        frame.add(0 as UInt32)
        let chunk = RecordBuilder.record(.chunk) {
            $0.add(1 as UInt64)
            $0.add(1 as UInt64)
            $0.add(UInt64(records.count))
            $0.add(CRC32.of(records))
            $0.add("lz4")
            $0.add(UInt64(frame.bytes.count))
            $0.add(raw: frame.bytes)
        }
        let header = RecordBuilder.record(.header) {
            $0.add("")
            $0.add("")
        }
        let (messages, problems, _) = try read(magic + header + chunk)
        #expect(problems.isEmpty && messages.map(\.data) == [Array("{}".utf8)] && messages[0].sequence == 7)
    }

    @Test func aCopyOfATornFileIsWhole() throws {
        let written = try write(40, finished: false)
        let copy = try MCAPWriter(creating: folder.path("copy.mcap"), library: "tests")
        var reader = try MCAPReader(path: path)
        #expect(try copy.add(&reader) { _ in } == .torn)
        try copy.finish()
        let (messages, problems, end) = try read(readFile(folder.path("copy.mcap"), atMost: 1 << 20))
        #expect(messages == written && problems.isEmpty && end == .complete)
    }
}
