import FoundationEssentials
import Glibc
import Layers
import MCAP
import Model
import Recordings
import Safetensors
import Schema
@testable import Senses
@testable import Signals
@testable import Statistics
import StrictJSON
import SwiftProtobuf
import Tensors
import Tokenization

/// Whatever reads what others wrote, by name. A reader may refuse whatever it likes, but it must not crash, what it takes must be
/// finite, and what can be written must come back the same.
private let readers: [String: @Sendable ([UInt8]) -> Void] = [
    "safetensors": readTensors, "json": readJSON, "tokenizer": readTokenizer, "tokenizer-files": readTokenizerFiles, "text": encode,
    "jpeg": { read($0, "image", "image/jpeg") }, "png": readPNG, "wav": { read($0, "audio", "audio/wav") },
    "models": readModel, "raw": readRaw, "csv": readCSV, "session": readSessionLine, "messages": readMessage,
    "mcap": readRecording, "whisper": readWhisper,
]

/// ACCRETE_FUZZ_READER names the reader that this process is to try.
private let reader: @Sendable ([UInt8]) -> Void = {
    let name = ProcessInfo.processInfo.environment["ACCRETE_FUZZ_READER"] ?? ""
    guard let reader = readers[name] else { preconditionFailure("ACCRETE_FUZZ_READER is one of \(readers.keys.sorted())") }
    return reader
}()

/// What libFuzzer calls with one file after another.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    reader([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}

private func readTensors(_ file: [UInt8]) {
    guard let archive = try? TensorArchive(bytes: file, source: "fuzz") else { return }
    for tensor in archive.tensors {
        _ = try? tensor.floats()
        _ = try? tensor.integers()
    }
    let written = TensorArchive.encode(archive.tensors.map { TensorContent($0) }, metadata: archive.metadata)
    guard let again = try? TensorArchive(bytes: written, source: "fuzz"), Set(again.names) == Set(archive.names) else {
        preconditionFailure("what was read cannot be written and read again")
    }
}

/// The header of a file of Whisper's weights, whose numbers are all 0: what it says of them is all that a reader can trust.
private func readWhisper(_ header: [UInt8]) {
    let most = (try? JSON(parsing: header))?.object?.values.compactMap { $0["data_offsets"]?.array?.last?.integer }.max() ?? 0
    var file = withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) } + header
    file += [UInt8](repeating: 0, count: min(max(0, most), 1 << 27))
    guard let archive = try? TensorArchive(bytes: file, source: "fuzz") else { return }
    for tensor in archive.tensors where tensor.count < 1 << 16 {
        _ = try? archive.numbers(tensor.name, tensor.shape)
        _ = try? archive.halves(tensor.name, tensor.shape)
    }
    guard let network = try? Whisper(archive, digest: "", threads: 1) else { return }
    guard (try? network.tokens(of: [], isWanted: { _ in false })) == [] else {
        preconditionFailure("weights of 0 give a score that is not finite")
    }
}

private func readJSON(_ file: [UInt8]) {
    guard let value = try? JSON(parsing: file) else { return }
    guard let again = try? JSON(parsing: Array(value.text().utf8)), again == value else {
        preconditionFailure("a JSON value is not read as it was written")
    }
}

/// Some readers open a path: their files lie in memory.
private let directory = "/dev/shm/accrete-fuzz-\(ProcessInfo.processInfo.processIdentifier)"

private func write(_ file: some Collection<UInt8>, as name: String) {
    do {
        let folder = name.contains("/") ? "\(directory)/model" : directory
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(file).write(to: URL(filePath: "\(directory)/\(name)"))
    } catch {
        preconditionFailure("\(directory)/\(name) cannot be written: \(error)")
    }
}

private func readTokenizer(_ file: [UInt8]) {
    write(file, as: "tokenizer.json")
    guard let tokenizer = try? openTokenizer(directory: directory) else { return }
    try? encode(Array(file.prefix(512)), with: tokenizer)
}

/// The files beside a vocabulary, parted by lines that say `---`.
private func readTokenizerFiles(_ file: [UInt8]) {
    let parts = file.split(separator: Array("\n---\n".utf8), omittingEmptySubsequences: false)
    for (name, part) in zip(
        ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"], parts)
    {
        write(part, as: name)
    }
    guard let tokenizer = try? openTokenizer(directory: directory) else { return }
    try? encode(Array(file.suffix(512)), with: tokenizer)
}

/// The files of a model's directory, parted by lines that say `---`, or a GGUF file. What can be written is read again as it was.
private func readModel(_ file: [UInt8]) {
    var path = "\(directory)/model.gguf"
    if file.starts(with: Array("GGUF".utf8)) {
        write(file, as: "model.gguf")
    } else {
        let names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
        let parts = file.split(separator: Array("\n---\n".utf8), maxSplits: names.count - 1, omittingEmptySubsequences: false)
        path = "\(directory)/model"
        for (name, part) in zip(names, parts) { write(part, as: "model/\(name)") }
    }
    if let tokenizer = try? openTokenizer(path: path) { try? encode(Array(file.prefix(512)), with: tokenizer) }
    guard let files = try? TrunkFiles(path: path), let model = try? files.model() else { return }
    precondition(model.parameters.values.allSatisfy(\.isFinite), "a weight is not finite")
    _ = try? files.frozen(.stored)
    for (name, format) in [("again", ModelFormat.safetensors), ("half.gguf", .gguf(.float16)), ("eight.gguf", .gguf(.q8_0))] {
        let copy = "\(directory)/\(name)"
        guard (try? files.save(to: copy, as: format)) != nil else { continue }
        guard let again = try? TrunkModel(path: copy) else { preconditionFailure("what was written as \(name) cannot be read") }
        // A head that rounding has made equal to the table is tied.
        guard again.parameters.values.count == model.parameters.values.count else { continue }
        let largest = model.parameters.values.reduce(0) { max($0, abs($1)) }
        let step = format == .safetensors ? 0 : format == .gguf(.float16) ? largest / 2048 + 1e-5 : largest / 127 + 1e-5
        for (a, b) in zip(model.parameters.values, again.parameters.values) where abs(a - b) > step {
            preconditionFailure("\(a) was written as \(name) and read as \(b)")
        }
        guard let tokenizer = try? openTokenizer(path: path) else { continue }
        guard let copied = try? openTokenizer(path: copy) else { preconditionFailure("the tokenizer written as \(name) cannot be read") }
        precondition(copied.encode("the cat 12") == tokenizer.encode("the cat 12"), "the tokenizer of \(name) gives other tokens")
    }
}

/// GPT-2's own vocabulary, where ACCRETE_FUZZ_TOKENIZER names its directory; else bytes.
private let known: any Tokenizer =
    ProcessInfo.processInfo.environment["ACCRETE_FUZZ_TOKENIZER"].flatMap { try? openTokenizer(directory: $0) } ?? ByteTokenizer()

private func encode(_ text: [UInt8]) {
    guard let decoded = try? known.decode(known.encode(text)), decoded == text else {
        preconditionFailure("a text is not what its tokens say")
    }
}

private func encode(_ text: [UInt8], with tokenizer: any Tokenizer) throws {
    for token in tokenizer.encode(text) {
        precondition(token >= 0 && token < tokenizer.vocabularySize, "token \(token) of \(tokenizer.vocabularySize)")
        _ = try tokenizer.decode([token])
    }
}

/// Every frontend, with pictures no larger than can be read a thousand times a second.
private let frontends: [String: any Modality] = {
    var configuration = SignalConfiguration()
    configuration.image.maximumPixels = 1 << 16
    configuration.audio.maximumSeconds = 1
    return Dictionary(
        uniqueKeysWithValues: modalities.compactMap { entry in (try? frontend(for: entry.key, configuration)).map { (entry.key, $0) } })
}()

private func read(_ payload: [UInt8], _ modality: String, _ format: String) {
    read(RawReading(modality: modality, format: format, payload: payload))
}

/// As it is, and with the checksums that its chunks should have, which no fuzzer guesses.
private func readPNG(_ file: [UInt8]) {
    read(file, "image", "image/png")
    var file = file
    var offset = 8
    while offset + 12 <= file.count {
        let length = file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
        guard offset + 12 + length <= file.count else { break }
        var checksum = UInt32.max
        for byte in file[offset + 4..<offset + 8 + length] {
            checksum ^= UInt32(byte)
            for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        for index in 0..<4 { file[offset + 8 + length + index] = UInt8(truncatingIfNeeded: ~checksum >> UInt32(24 - 8 * index)) }
        offset += 12 + length
    }
    read(file, "image", "image/png")
}

private func read(_ reading: RawReading) {
    guard let features = try? frontends[reading.modality]?.features(of: reading) else { return }
    precondition(
        features.values.allSatisfy { $0.isFinite } && features.validity.isFinite && features.rows > 0,
        "features of \(reading.format) are not finite")
}

/// A reading without a header: a byte chooses the format, the next twelve the numbers beside it.
private func readRaw(_ file: [UInt8]) {
    let formats = [
        ("image", "image/x-rgb8"), ("image", "image/x-gray8"), ("audio", "audio/x-s16le"), ("audio", "audio/x-f32le"),
        ("vector", "vector/f32le"), ("text", "text/utf-8"),
    ]
    guard file.count > 12 else { return }
    let (modality, format) = formats[Int(file[0]) % formats.count]
    func number(_ offset: Int) -> Int {
        Int(Int32(bitPattern: UInt32(file[offset]) | UInt32(file[offset + 1]) << 8 | UInt32(file[offset + 2]) << 24))
    }
    read(
        RawReading(
            modality: modality, format: format, width: number(1), height: number(4), channels: number(7), sampleRate: number(10),
            payload: Array(file[13...])))
}

private func readCSV(_ file: [UInt8]) {
    write(file, as: "numbers.csv")
    guard let csv = try? CSVFile(path: "\(directory)/numbers.csv") else { return }
    for column in csv.columns.prefix(4) { _ = try? csv.numbers(of: column) }
}

private func readSessionLine(_ file: [UInt8]) {
    guard let event = try? SessionLine(json: file).event() else { return }
    precondition(!"\(event)".isEmpty)
}

/// The messages of an MCAP file, which are the same in a copy of it; and its events as a session.
private func readRecording(_ file: [UInt8]) {
    var limits = MCAPLimits()
    limits.recordBytes = 1 << 24
    guard var reader = try? MCAPReader(bytes: file, limits: limits) else { return }
    let copy = "\(directory)/copy.mcap"
    write(file, as: "recording.mcap")
    unlink(copy)
    do {
        let writer = try MCAPWriter(creating: copy, library: "fuzz")
        _ = try writer.add(&reader) { _ in }
        try writer.finish()
        func messages(_ path: String) throws -> [[UInt8]] { try MCAPReader(path: path, limits: limits).compactMap { try? $0.get().data } }
        let (original, copied) = (try messages("\(directory)/recording.mcap"), try messages(copy))
        precondition(original == copied, "a copy has other messages")
    } catch {
        preconditionFailure("what was read cannot be written: \(error)")
    }
    guard let recording = try? Recording(path: "\(directory)/recording.mcap"), let events = try? recording.events() else { return }
    for event in events { precondition(!"\(event)".isEmpty) }
}

/// A header of each topic's type; what is decoded is encoded again.
private func readMessage(_ file: [UInt8]) {
    guard let choice = file.first else { return }
    let family = Topics.all[Int(choice) % Topics.all.count]
    guard let message = try? family.decode(Array(file.dropFirst())) else { return }
    guard let bytes: [UInt8] = try? message.serializedBytes(), let again = try? family.decode(bytes),
        let twice: [UInt8] = try? again.serializedBytes(), twice == bytes
    else {
        preconditionFailure("a message of \(family.name) is not decoded as it was encoded")
    }
}
