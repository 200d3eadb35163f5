import ArgumentParser
import Files
import Schema

/// Refuses a number outside its range with a sentence that names the option; nil was not given.
func check<Number: Comparable>(_ option: String, _ value: Number?, within range: ClosedRange<Number>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(option) is \(value); it must be between \(range.lowerBound) and \(range.upperBound).")
}

/// Refuses a number that is not above `bound`, or is greater than `limit`.
func check(_ option: String, _ value: Double?, above bound: Double, atMost limit: Double) throws {
    guard let value, !(value > bound && value <= limit) else { return }
    throw ValidationError("\(option) is \(value); it must be above \(bound) and at most \(limit).")
}

/// Most steps, tokens or messages that are counted to.
let countLimit = 1 << 40

/// Most seconds that are waited for an answer.
let waitLimit = 86_400.0

/// Most bytes that are read of a text.
let textLimit = 1 << 30

/// The bytes of a text: a file, a pipe (`<(…)`) or `/dev/stdin`.
func readText(_ path: String) throws(FileError) -> [UInt8] { try readFile(path, atMost: textLimit, streams: true) }

/// What came from outside, for a terminal: control and formatting characters are written as their numbers.
func printable(_ text: String) -> String { text.printable() }
