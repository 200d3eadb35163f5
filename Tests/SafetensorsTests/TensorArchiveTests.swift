import Files
import FilesTesting
import Foundation
import Safetensors
import Testing

/// A safetensors file of the given header and data, which need not be valid.
private func file(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
}

private func bytes<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

private func reason(_ bytes: [UInt8]) -> SafetensorsError.Reason? {
    do {
        _ = try TensorArchive(bytes: bytes)
        return nil
    } catch { return error.reason }
}

@Test func whatIsEncodedReadsBack() throws {
    let encoded = TensorArchive.encode(
        [
            TensorContent(name: "small", bytes: [1, 2, 3]), TensorContent(name: "w", shape: [2, 2], floats: [1, -2, 3.5, 0]),
            TensorContent(name: "ids", shape: [3], integers: [5, -6, .max]), TensorContent(name: "scalar", shape: [], doubles: [.pi]),
            TensorContent(name: "nothing", shape: [0, 7], floats: []),
        ], metadata: ["format": "pt"])
    let archive = try TensorArchive(bytes: encoded)
    #expect(archive.metadata == ["format": "pt"])
    #expect(archive.names.sorted() == ["ids", "nothing", "scalar", "small", "w"])
    #expect(try archive.tensor("w", shape: [2, 2]).floats() == [1, -2, 3.5, 0])
    #expect(try archive.tensor("ids").integers() == [5, -6, .max])
    #expect(try archive.tensor("scalar", shape: []).doubles() == [.pi])
    #expect(try archive.tensor("nothing").floats() == [])
    #expect(try archive.tensor("small").integers() == [1, 2, 3])
    #expect(encoded.count % 8 == 3, "the data begins at a multiple of eight; only the three small bytes stick out")
}

@Test func theHeaderOfAFlatStoreAndItsNumbersAreAnArchive() throws {
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    let tensors: [(name: String, shape: [Int])] = [("a", [2, 2]), ("b", [2])]
    let encoded = TensorArchive.header(flat: tensors, metadata: ["version": "7"]) + bytes(values)
    let archive = try TensorArchive(bytes: encoded)
    #expect(archive.metadata == ["version": "7"])
    #expect(try archive.tensor("a").floats() == [1, 2, 3, 4])
    #expect(try archive.tensor("b").floats() == [5, 6])
}

/// However a file is cut into frames, also between the bytes of a number or of the header, its tensors are the same.
@Test(arguments: [1, 3, 8, 24, 100, 136, 141, 1000]) func aFileReadsTheSameInFramesOfAnySize(size: Int) throws {
    let tensors = [
        TensorContent(name: "a", shape: [5, 5], floats: (0..<25).map { Float($0) - 7.5 }),
        TensorContent(name: "b", shape: [9], floats: (0..<9).map { 1 / Float($0 + 1) }), TensorContent(name: "c", bytes: [1, 2, 3]),
    ]
    let whole = TensorArchive.encode(tensors)
    let frames = stride(from: 0, to: whole.count, by: size).map { start in
        Frame(Array(whole[start..<min(whole.count, start + size)]))
    }
    let archive = try TensorArchive(borrowing: frames.map(\.bytes), from: frames), plain = try TensorArchive(bytes: whole)
    for name in ["a", "b"] {
        #expect(try archive.tensor(name).floats() == plain.tensor(name).floats())
        try archive.tensor(name).checkFinite()
    }
    #expect(try archive.tensor("c").integers() == [1, 2, 3])
    #expect(archive.tensors.map { $0.withUnsafeBytes { Array($0) } } == plain.tensors.map { $0.withUnsafeBytes { Array($0) } })
    #expect(throws: SafetensorsError.self) { try TensorArchive(borrowing: frames.dropLast().map(\.bytes), from: frames) }
}

/// A number that is not finite is found in whichever frame it lies.
@Test(arguments: [0, 7, 24]) func aFrameWithANumberThatIsNotFiniteIsFound(place: Int) throws {
    var numbers = (0..<25).map { Float($0) }
    numbers[place] = .nan
    let whole = TensorArchive.encode([TensorContent(name: "a", shape: [25], floats: numbers)])
    let frames = stride(from: 0, to: whole.count, by: 16).map { Frame(Array(whole[$0..<min(whole.count, $0 + 16)])) }
    let archive = try TensorArchive(borrowing: frames.map(\.bytes), from: frames)
    #expect(throws: SafetensorsError.self) { try archive.tensor("a").checkFinite() }
}

/// Bytes that stay where they are. Sendable because nothing writes to them after `init`.
private final class Frame: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ content: [UInt8]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: content.count, alignment: 8)
        memory.copyBytes(from: content)
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { bytes.deallocate() }
}

@Test func halvesAreWidenedExactly() throws {
    let halves: [Float16] = [1, -0.1, 65504, 0x1p-24]
    let archive = try TensorArchive(
        bytes: file(
            #"{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}}"#,
            bytes(halves) + [0x80, 0x3F, 0x49, 0xC0]))
    #expect(try archive.tensor("h").floats() == halves.map(Float.init))
    #expect(try archive.tensor("b").floats() == [1, Float(bitPattern: 0xC049_0000)])
    #expect(try archive.tensor("h").doubles() == halves.map(Double.init))
    #expect(throws: SafetensorsError.self) { try archive.tensor("h").integers() }
}

@Test func aValueThatIsNotFiniteIsNamed() throws {
    let archive = try TensorArchive(bytes: TensorArchive.encode([TensorContent(name: "w", shape: [3], floats: [0, 1, .nan])]))
    #expect(throws: SafetensorsError("safetensors in memory", .nonFinite(tensor: "w", index: 2))) { try archive.tensor("w").floats() }
}

@Test func everyBreachOfTheFormatHasItsReason() {
    let one = #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}"#
    #expect(reason(file("{\(one)}", [1, 2])) == nil)
    #expect(reason([1, 2, 3]) == .tooShort(bytes: 3))
    #expect(reason([UInt8](repeating: 255, count: 9)) == .headerTooLong(length: .max, limit: 100_000_000))
    #expect(reason([9, 0, 0, 0, 0, 0, 0, 0, 0x7B]) == .headerBeyondEnd(length: 9, bytes: 9))
    #expect(reason(file(" {}")) == .badHeader(offset: 0, problem: "a header begins with a brace"))
    #expect(reason(file("{\(one),\(one)}", [1, 2])) == .badHeader(offset: 53, problem: "the key \"a\" is given twice"))
    #expect(reason(file("{\(one)}", [1])) == .outOfBounds(tensor: "a", end: 2, bytes: 1))
    #expect(reason(file("{\(one)}", [1, 2, 3])) == .trailingBytes(1))
    #expect(reason(file(#"{\#(one),"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, [1, 2])) == .overlap(tensor: "b", with: "a"))
    #expect(reason(file(#"{\#(one),"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#, [1, 2, 3, 4])) == .hole(before: "b", bytes: 1))
    #expect(
        reason(file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}}"#, [1, 2]))
            == .sizeMismatch(tensor: "a", shapeBytes: 8, rangeBytes: 2))
    #expect(reason(file(#"{"a":{"dtype":"F7","shape":[2],"data_offsets":[0,2]}}"#, [1, 2])) == .unknownType(tensor: "a", type: "F7"))
    #expect(
        reason(file(#"{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}"#, [1, 2]))
            == .badEntry(tensor: "a", problem: "has a negative number in [-2]"))
    #expect(
        reason(file(#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#))
            == .badEntry(tensor: "a", problem: "has the impossible shape [4294967296, 4294967296]"))
    #expect(
        reason(file(#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}"#))
            == .badEntry(tensor: "a", problem: "has the unknown key \"x\""))
    #expect(reason(file(#"{"a":{"dtype":"U8","shape":[0]}}"#)) == .badEntry(tensor: "a", problem: "lacks dtype, shape or data_offsets"))
}

@Test func missingTensorsAndOtherShapesAreNamed() throws {
    let archive = try TensorArchive(bytes: TensorArchive.encode([TensorContent(name: "w", shape: [3], floats: [0, 1, 2])]), source: "m")
    #expect(throws: SafetensorsError("m", .missing(tensor: "v"))) { try archive.tensor("v") }
    #expect(throws: SafetensorsError("m", .wrongShape(tensor: "w", found: [3], expected: [1, 3]))) {
        try archive.tensor("w", shape: [1, 3])
    }
}

/// Thousands of damaged files: each is refused, or read without an access outside its memory.
@Test func damagedFilesNeverTrap() {
    var random = SplitMix(state: 2026)
    let sound = TensorArchive.encode(
        [
            TensorContent(name: "h.0.attn.c_attn.weight", shape: [4, 12], floats: (0..<48).map(Float.init)),
            TensorContent(name: "ids", shape: [2, 3], integers: [1, 2, 3, 4, 5, 6]), TensorContent(name: "flags", bytes: [0, 1, 1]),
        ], metadata: ["format": "pt"])
    var refused = 0
    for _ in 0..<20_000 {
        var damaged = sound
        for _ in 0...random.next(below: 3) {
            switch random.next(below: 5) {
            case 0: damaged.removeLast(min(damaged.count, random.next(below: 60)))
            case 1: damaged.append(UInt8(random.next(below: 256)))
            case 2 where !damaged.isEmpty: damaged.remove(at: random.next(below: damaged.count))
            case 3: damaged.insert(Array("0123456789{}[]\",:\\-".utf8)[random.next(below: 19)], at: random.next(below: damaged.count + 1))
            default:
                if !damaged.isEmpty { damaged[random.next(below: damaged.count)] = UInt8(random.next(below: 256)) }
            }
        }
        do {
            let archive = try TensorArchive(bytes: damaged)
            for tensor in archive.tensors {
                _ = try? tensor.floats()
                _ = try? tensor.integers()
            }
        } catch {
            refused += 1
            if "\(error)".count < 20 { Issue.record("no sentence: \(error)") }
        }
    }
    #expect(refused > 5_000)
}

@Suite struct Files {
    private let folder = Folder()
    private var directory: String { folder.path }

    @Test func aWrittenFileMapsBackAndNothingElseIsLeft() throws {
        let path = directory + "/model.safetensors"
        for value: Float in [1, 2] {
            try TensorArchive.write([TensorContent(name: "w", shape: [1], floats: [value])], to: path)
            #expect(try TensorArchive(mapping: path).tensor("w").floats() == [value])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["model.safetensors"])
    }

    @Test func whatCannotBeOpenedOrWrittenSaysWhy() {
        #expect(throws: SafetensorsError(directory + "/none", .cannotOpen("No such file or directory"))) {
            try TensorArchive(mapping: directory + "/none")
        }
        #expect(throws: SafetensorsError(directory, .cannotOpen("it is a directory, not a regular file"))) {
            try TensorArchive(mapping: directory)
        }
        #expect(throws: SafetensorsError(directory + "/none/x", .cannotWrite("No such file or directory"))) {
            try TensorArchive.write([TensorContent(name: "w", shape: [1], floats: [1])], to: directory + "/none/x")
        }
    }

    @Test func aTensorIsAskedForWhenItsTurnComes() throws {
        struct Cause: Error {}
        var asked: [String] = []
        func tensor(_ name: String, _ number: Float?) -> TensorContent {
            TensorContent(name: name, shape: [2, 1]) { numbers in
                asked.append(name)
                guard let number else { throw Cause() }
                numbers.update(repeating: number)
            }
        }
        let path = directory + "/asked.safetensors"
        try TensorArchive.write([tensor("b", 2), tensor("a", 1)], to: path)
        #expect(asked == ["a", "b"])
        #expect(try TensorArchive(mapping: path).tensor("b").floats() == [2, 2])
        #expect(throws: SafetensorsError(path, .cannotWrite("Cause()"))) { try TensorArchive.write([tensor("c", nil)], to: path) }
        #expect(try TensorArchive(mapping: path).names == ["a", "b"])
    }

    @Test func shardsAreOneArchiveIfTheIndexAgrees() throws {
        try TensorArchive.write([TensorContent(name: "a", shape: [1], floats: [1])], to: directory + "/model-1.safetensors")
        try TensorArchive.write([TensorContent(name: "b", shape: [1], floats: [2])], to: directory + "/model-2.safetensors")
        let index = directory + "/model.safetensors.index.json"
        func open(_ map: String) throws -> TensorArchive {
            try replaceFile(at: index, with: #"{"metadata":{"total_size":8},"weight_map":{\#(map)}}"#)
            return try TensorArchive(directory: directory)
        }
        let archive = try open(#""a":"model-1.safetensors","b":"model-2.safetensors""#)
        #expect(try archive.tensor("a").floats() == [1])
        #expect(try archive.tensor("b").floats() == [2])
        for (map, problem) in [
            (#""a":"model-2.safetensors","b":"model-2.safetensors""#, "says that \"a\" is in model-2.safetensors, but it is not"),
            (#""a":"model-1.safetensors","c":"model-2.safetensors""#, "does not say that \"b\" is in model-2.safetensors"),
            (#""a":"../model-1.safetensors""#, "the shard \"../model-1.safetensors\" is not a file of this directory"),
        ] {
            #expect(throws: SafetensorsError(index, .badIndex(problem))) { try open(map) }
        }
    }
}

@Test func digestsAreThoseOfFIPS180() {
    #expect(SHA256.hex(of: Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(SHA256.hex(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
}

/// SplitMix64, https://prng.di.unimi.it/splitmix64.c
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func next(below bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
