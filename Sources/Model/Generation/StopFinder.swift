/// Finds the first of some byte sequences in a stream of bytes. It holds back only bytes that may be the beginning of one.
package struct StopFinder {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    package init(_ stops: [[UInt8]]) { self.stops = stops.filter { !$0.isEmpty } }

    /// Takes the next bytes; returns those that can be output, and whether a stop sequence was found, which ends the output.
    package mutating func pass(_ bytes: [UInt8]) -> (bytes: [UInt8], isStopped: Bool) {
        held += bytes
        if let start = held.indices.first(where: { start in stops.contains { held[start...].starts(with: $0) } }) {
            defer { held = [] }
            return (Array(held[..<start]), true)
        }
        if let start = held.indices.first(where: { start in stops.contains { $0.starts(with: held[start...]) } }) {
            defer { held = Array(held[start...]) }
            return (Array(held[..<start]), false)
        }
        return (flush(), false)
    }

    /// Returns the bytes that were held back, at the end of the stream.
    package mutating func flush() -> [UInt8] {
        defer { held = [] }
        return held
    }
}
