/// Lets bytes pass until one of some sequences comes, holding back only what may be its beginning.
struct StopFinder {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    init(_ stops: [[UInt8]]) { self.stops = stops.filter { !$0.isEmpty } }

    /// The bytes that may pass, and whether a stop has come; it and what follows do not pass.
    mutating func pass(_ bytes: [UInt8]) -> (bytes: [UInt8], isStopped: Bool) {
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

    /// What was held back, when nothing more comes.
    mutating func flush() -> [UInt8] {
        defer { held = [] }
        return held
    }
}
