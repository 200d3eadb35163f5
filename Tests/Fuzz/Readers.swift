import FoundationEssentials
import Safetensors
import StrictJSON
import Tokenization

/// What libFuzzer calls with one file after another: the first byte chooses the reader, the rest is the file.
/// A reader may refuse whatever it likes, but it must not crash, and what it takes must come back the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard let choice = input.first else { return 0 }
    let file = [UInt8](input.dropFirst())
    switch choice % 4 {
    case 0: readTensors(file)
    case 1: readJSON(file)
    case 2: readTokenizer(file)
    default: encode(file)
    }
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

private func readJSON(_ file: [UInt8]) {
    guard let value = try? JSON(parsing: file) else { return }
    guard let again = try? JSON(parsing: Array(value.text().utf8)), again == value else {
        preconditionFailure("a JSON value is not read as it was written")
    }
}

/// Tokenizers are read from files: this one lies in memory.
private let directory = "/dev/shm/accrete-fuzz-\(ProcessInfo.processInfo.processIdentifier)"

private func readTokenizer(_ file: [UInt8]) {
    let path = "\(directory)/tokenizer.json"
    do {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(file).write(to: URL(filePath: path))
    } catch {
        preconditionFailure("\(path) cannot be written: \(error)")
    }
    guard let tokenizer = try? openTokenizer(directory: directory) else { return }
    try? encode(Array(file.prefix(512)), with: tokenizer)
}

/// GPT-2's own vocabulary, where ACCRETE_FUZZ_TOKENIZER names its directory; else bytes.
private let known: any Tokenizer = ProcessInfo.processInfo.environment["ACCRETE_FUZZ_TOKENIZER"].flatMap { try? openTokenizer(directory: $0) } ?? ByteTokenizer()

private func encode(_ text: [UInt8]) {
    guard let decoded = try? known.decode(known.encode(text)), decoded == text else { preconditionFailure("a text is not what its tokens say") }
}

private func encode(_ text: [UInt8], with tokenizer: any Tokenizer) throws {
    for token in tokenizer.encode(text) { _ = try tokenizer.decode([token]) }
}
