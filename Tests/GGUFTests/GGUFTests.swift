import Files
import FilesTesting
import Foundation
import Testing
@testable import GGUF

/// Builds a GGUF file in memory.
struct GGUFBuilder {
    private var bytes = Data()

    init(version: UInt32 = 3, tensors: UInt64, keys: UInt64) {
        bytes += Data("GGUF".utf8)
        add(version)
        add(tensors)
        add(keys)
    }

    mutating func add<T: FixedWidthInteger>(_ number: T) { withUnsafeBytes(of: number.littleEndian) { bytes += Data($0) } }
    mutating func add(_ text: String) {
        add(UInt64(text.utf8.count))
        bytes += Data(text.utf8)
    }
    mutating func add(key: String, _ text: String) {
        add(key)
        add(UInt32(8))
        add(text)
    }
    mutating func add(tensor name: String, _ extents: [UInt64], _ type: GGUFType, at offset: UInt64) {
        add(name)
        add(UInt32(extents.count))
        for extent in extents { add(extent) }
        add(type.rawValue)
        add(offset)
    }
    mutating func align(_ count: Int = 32) { bytes += Data(repeating: 0, count: (count - bytes.count % count) % count) }
    mutating func add(bytes more: [UInt8]) { bytes += Data(more) }

    var data: Data { bytes }
}

@Suite struct GGUFTests {
    private let folder = Folder()

    private func open(_ data: Data) throws -> GGUFFile {
        let path = folder.path("model.gguf")
        try data.write(to: URL(filePath: path))
        return try GGUFFile(mapping: path)
    }

    private func reason(_ data: Data) -> GGUFError.Reason? {
        do {
            _ = try open(data)
            return nil
        } catch {
            return (error as? GGUFError)?.reason
        }
    }

    private var small: GGUFBuilder {
        var file = GGUFBuilder(tensors: 2, keys: 3)
        file.add(key: "general.architecture", "llama")
        file.add("tokenizer.ggml.tokens")
        file.add(UInt32(9))
        file.add(UInt32(8))
        file.add(UInt64(2))
        file.add("a")
        file.add("b")
        file.add("llama.rope.freq_base")
        file.add(UInt32(6))
        file.add(Float(0.5).bitPattern)
        file.add(tensor: "a", [2, 1], .float32, at: 0)
        file.add(tensor: "b", [3], .float16, at: 32)
        file.align()
        file.add(Float(1.5).bitPattern)
        file.add(Float(-2).bitPattern)
        file.align()
        for number in [Float16(1), 2, 3] { file.add(number.bitPattern) }
        return file
    }

    @Test func metadataAndTensorsAreReadAsWritten() throws {
        let file = try open(small.data)
        #expect(file.metadata["general.architecture"]?.string == "llama")
        #expect(file.metadata["tokenizer.ggml.tokens"]?.strings == ["a", "b"])
        #expect(file.metadata["llama.rope.freq_base"]?.double == 0.5)
        #expect(try file.tensor("a", shape: [1, 2]).floats() == [1.5, -2])
        #expect(try file.tensor("b", shape: [3]).floats() == [1, 2, 3])
        #expect(throws: GGUFError(file.source, .missing(tensor: "c"))) { try file.tensor("c", shape: [3]) }
        #expect(throws: GGUFError(file.source, .wrongShape(tensor: "a", found: [1, 2], expected: [2]))) { try file.tensor("a", shape: [2]) }
    }

    struct Golden: Decodable {
        var type: UInt32
        var bytes: String
        var numbers: [Float]
    }

    /// Random blocks of every type, read by the `gguf` package of Python.
    @Test func blocksOfEveryTypeAgreeWithTheReference() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Golden/gguf_blocks.json")
        let golden = try JSONDecoder().decode([String: Golden].self, from: Data(contentsOf: path))
        #expect(Set(golden.values.map(\.type)) == Set(GGUFType.allCases.map(\.rawValue)))
        for (name, case_) in golden {
            let type = try #require(GGUFType(rawValue: case_.type))
            let digits = Array(case_.bytes.utf8), count = case_.numbers.count
            let bytes = stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16) ?? 0
            }
            var found = [Float](repeating: 0, count: count)
            bytes.withUnsafeBytes { source in
                found.withUnsafeMutableBufferPointer { Blocks.decode(source.baseAddress!, type, count: count, into: $0.baseAddress!) }
            }
            let worst = zip(found, case_.numbers).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 1
            #expect(worst < 1e-6, "\(name)")
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let whole = small.data
        for count in 0..<whole.count { #expect(reason(whole.prefix(count)) != nil, "\(count) of \(whole.count) bytes") }
    }

    @Test func wrongCountsAndOffsetsAreRefusedByName() {
        #expect(reason(Data("GGML".utf8)) == .noMagic)
        #expect(reason(GGUFBuilder(version: 4, tensors: 0, keys: 0).data) == .version(4))
        #expect(
            reason(GGUFBuilder(tensors: 1 << 63, keys: 0).data) == .tooMany(what: "the number of tensors", count: 1 << 63, limit: 1 << 18))
        #expect(reason(GGUFBuilder(tensors: 0, keys: .max).data) == .tooMany(what: "the number of keys", count: .max, limit: 1 << 16))

        var unknown = GGUFBuilder(tensors: 1, keys: 0)
        unknown.add("w")
        unknown.add(UInt32(1))
        unknown.add(UInt64(256))
        unknown.add(UInt32(999))
        unknown.add(UInt64(0))
        #expect(reason(unknown.data) == .unknownType(tensor: "w", type: 999))

        for (extents, problem) in [
            ([UInt64(31)], "whose rows are not whole blocks of 32"), ([32, 1 << 40, 1 << 40], "which is empty or too large"),
            ([0], "which is empty or too large"),
        ] {
            var file = GGUFBuilder(tensors: 1, keys: 0)
            file.add(tensor: "w", extents, .q4_1, at: 0)
            #expect(reason(file.data) == .badShape(tensor: "w", shape: extents, problem: problem))
        }

        var overlapping = GGUFBuilder(tensors: 2, keys: 0)
        overlapping.add(tensor: "a", [16], .float32, at: 0)
        overlapping.add(tensor: "b", [16], .float32, at: 32)
        overlapping.align()
        overlapping.add(bytes: [UInt8](repeating: 0, count: 256))
        #expect(reason(overlapping.data) == .misplaced(tensor: "b", problem: "overlaps \"a\""))

        var twice = GGUFBuilder(tensors: 0, keys: 2)
        twice.add(key: "k", "1")
        twice.add(key: "k", "2")
        #expect(reason(twice.data) == .duplicateKey("k"))

        var list = GGUFBuilder(tensors: 0, keys: 1)
        list.add("k")
        list.add(UInt32(9))
        list.add(UInt32(8))
        list.add(UInt64(1 << 22))
        #expect(reason(list.data) == .cutOff(what: "the list \"k\"", at: list.data.count))
    }

    @Test func aScaleThatIsNoNumberIsRefused() throws {
        var file = GGUFBuilder(tensors: 1, keys: 0)
        file.add(tensor: "w", [32], .q8_0, at: 0)
        file.align()
        file.add(Float16.nan.bitPattern)
        file.add(bytes: [UInt8](repeating: 1, count: 32))
        let tensor = try #require(try open(file.data)["w"])
        #expect(throws: GGUFError(folder.path("model.gguf"), .nonFinite(tensor: "w", index: 0))) { try tensor.floats() }
    }

    /// With any byte changed a file is read or refused, and never causes a trap.
    @Test func changedBytesNeverTrap() throws {
        let whole = small.data
        var opened = 0
        for place in 0..<whole.count {
            for value: UInt8 in [0, 1, 127, 255] {
                var data = whole
                data[place] = value
                if let file = try? open(data) {
                    opened += 1
                    for tensor in file.tensors { _ = try? tensor.floats() }
                }
            }
        }
        #expect(opened > whole.count)
    }

    // MARK: Writing

    private func write(_ metadata: [GGUFFile.Entry] = [], _ tensors: [GGUFContent] = []) throws -> GGUFFile {
        let path = folder.path("written.gguf")
        try GGUFFile.write(metadata, tensors, to: path)
        return try GGUFFile(mapping: path)
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let values: [GGUFFile.Entry] = [
            ("a", .integer(7)), ("b", .integer(-7)), ("c", .integer(1 << 40)), ("d", .integer(Int.min)), ("e", .large(.max)),
            ("f", .number(0.1)), ("g", .bool(true)), ("h", .string("é\n")), ("i", .strings(["", "x"])), ("j", .integers([1, -2])),
            ("k", .integers([1 << 40])), ("l", .numbers([0.5, -2])), ("m", .bools([false, true])), ("n", .strings([])),
        ]
        // Two rows of 70,000 numbers are more than one piece.
        let numbers = (0..<140_000).map { Float($0 % 257 - 128) / 128 }
        let tensors = [
            GGUFContent("one", .float32, [1]) { $0[0] = -1.5 },
            GGUFContent("half", .float16, [2, 3]) { for i in 0..<6 { $0[i] = Float(i) } },
            GGUFContent("eight", .q8_0, [2, 70_016]) { for i in $0.indices { $0[i] = numbers[i % 140_000] } },
        ]
        let file = try write(values, tensors)
        #expect(file.version == 3 && file.metadata.count == values.count && file.tensors.map(\.name) == ["one", "half", "eight"])
        for (key, value) in values {
            #expect(file.metadata[key] == (key == "f" ? .number(Double(Float(0.1))) : value), "\(key)")
        }
        #expect(try file.tensor("one", shape: [1]).floats() == [-1.5])
        #expect(try file.tensor("half", shape: [2, 3]).floats() == [0, 1, 2, 3, 4, 5])
        let read = try file.tensor("eight", shape: [2, 70_016])
        #expect(read.type == .q8_0)
        for (i, number) in try read.floats().enumerated() where abs(number - numbers[i % 140_000]) > 1 / 127 / 2 * 1.01 {
            Issue.record("\(number) at \(i) is not \(numbers[i % 140_000])")
            break
        }
    }

    @Test func numbersThatAFormatCannotHoldAreRefusedAndNothingIsReplaced() throws {
        let path = folder.path("written.gguf")
        _ = try write([("a", .integer(1))])
        for (number, type, reason) in [
            (Float.nan, GGUFType.float32, GGUFError.Reason.nonFinite(tensor: "w", index: 33)),
            (.infinity, .q8_0, .nonFinite(tensor: "w", index: 33)), (65_520, .float16, .beyondRange(tensor: "w", index: 33)),
            (1e8, .q8_0, .beyondRange(tensor: "w", index: 33)),
        ] {
            let tensor = GGUFContent("w", type, [64]) { numbers in
                for i in 0..<64 { numbers[i] = i == 33 ? number : 1 }
            }
            #expect(throws: GGUFError(path, reason)) { try write([], [tensor]) }
        }
        struct Cause: Error {}
        #expect(throws: Cause.self) { try write([], [GGUFContent("w", .float32, [1]) { _ in throw Cause() }]) }
        #expect(try GGUFFile(mapping: path).metadata == ["a": .integer(1)])
        #expect(FileManager.default.subpaths(atPath: folder.path) == ["written.gguf"])
    }

    @Test func whatNoReaderTakesIsNotWritten() {
        let path = folder.path("written.gguf")
        let long = String(repeating: "x", count: 1 << 20 + 1)
        #expect(throws: GGUFError(path, .tooMany(what: "the length of the value of \"a\"", count: 1 << 20 + 1, limit: 1 << 20))) {
            try write([("a", .string(long))])
        }
        #expect(throws: GGUFError(path, .tooMany(what: "the list \"a\"", count: 1 << 22 + 1, limit: 1 << 22))) {
            try write([("a", .bools([Bool](repeating: true, count: 1 << 22 + 1)))])
        }
    }

    @Test func aWrittenFileWithAnyByteChangedNeverTraps() throws {
        let file = try write(
            [("general.architecture", .string("llama")), ("x", .strings(["a", "b"]))],
            [
                GGUFContent("a", .q8_0, [1, 32]) { for i in $0.indices { $0[i] = Float(i) } },
                GGUFContent("b", .float32, [2]) { $0.update(repeating: 1) },
            ])
        let whole = try Data(contentsOf: URL(filePath: file.source))
        var opened = 0
        for place in 0..<whole.count {
            for value: UInt8 in [0, 127, 255] {
                var data = whole
                data[place] = value
                if let file = try? open(data) {
                    opened += 1
                    for tensor in file.tensors { _ = try? tensor.floats() }
                }
            }
        }
        #expect(opened > whole.count)
    }
}
