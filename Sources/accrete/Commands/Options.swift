import ArgumentParser
import Files
import Schema

/// Checks that the value of an option is in a range; nil if the option was not given.
/// - Throws: `ValidationError` that names the option.
func check<Number: Comparable>(_ option: String, _ value: Number?, within range: ClosedRange<Number>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(option) is \(value); it must be between \(range.lowerBound) and \(range.upperBound).")
}

/// Checks that the value of an option is above `bound` and at most `limit`; nil if the option was not given.
/// - Throws: `ValidationError` that names the option.
func check(_ option: String, _ value: Double?, above bound: Double, atMost limit: Double) throws {
    guard let value, !(value > bound && value <= limit) else { return }
    throw ValidationError("\(option) is \(value); it must be above \(bound) and at most \(limit).")
}

/// The help of an option that takes a language model.
let modelHelp = ArgumentHelp("A Hugging Face directory (gpt2, llama, mistral, qwen2), or a GGUF file.", valueName: "dir")

/// The maximum of options for a number of steps, tokens or messages.
let countLimit = 1 << 40

/// The maximum of options for a waiting time, in seconds.
let waitLimit = 86_400.0

/// The maximum size of a text, in bytes.
let textLimit = 1 << 30

/// Reads the bytes of a text from a file, a pipe (`<(…)`) or `/dev/stdin`.
func readText(_ path: String) throws(FileError) -> [UInt8] { try readFile(path, atMost: textLimit, streams: true) }

/// Untrusted text for output in a terminal: control and formatting characters are replaced by their code points.
func printable(_ text: String) -> String { text.printable() }
