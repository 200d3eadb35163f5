import Foundation

extension LabelMemory {
    /// A saved memory that cannot be restored.
    public struct StateError: Error, Equatable, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    /// What a state says of its examples; their numbers follow it.
    private struct Head: Codable {
        struct Entry: Codable {
            var label: Int
            var source: String
            var moment: String
            var widths: [String: Int]
        }

        var senses: [String: Sense]
        var examples: [Entry]
    }

    private static let mark = Array("ALM1".utf8)
    /// The greatest size of a state.
    public static let mostStateBytes = 2 * mostBytes

    /// The whole memory but its capacity: "ALM1"; the size of a head in JSON in 4 bytes, little-endian; the head; the sketches' numbers as
    /// float32, little-endian, in the order of the examples and of the senses' names.
    public var state: [UInt8] {
        let entries = examples.map {
            Head.Entry(label: $0.label, source: $0.source, moment: $0.moment, widths: $0.sketches.mapValues(\.numbers.count))
        }
        // All numbers are finite, so that encoding cannot fail.
        let head = (try? JSONEncoder().encode(Head(senses: learnedSenses, examples: entries))).map(Array.init) ?? []
        var bytes = Self.mark
        withUnsafeBytes(of: UInt32(head.count).littleEndian) { bytes += $0 }
        bytes += head
        for example in examples {
            for (_, sketch) in example.sketches.sorted(by: { $0.key < $1.key }) {
                sketch.numbers.map(\.bitPattern.littleEndian).withUnsafeBytes { bytes += $0 }
            }
        }
        return bytes
    }

    /// Restores a memory from `state`; of more examples than its capacity the newest.
    /// - Throws: `StateError` where the bytes are no state.
    public init(_ bytes: [UInt8], capacity: Int) throws(StateError) {
        var rest = bytes[...]
        func take(_ count: Int) throws(StateError) -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw StateError(description: "the state ends early") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        guard try take(Self.mark.count).elementsEqual(Self.mark) else {
            throw StateError(description: "this is not the state of a memory of labels")
        }
        let size = try take(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard let head = try? JSONDecoder().decode(Head.self, from: Data(try take(size))) else {
            throw StateError(description: "the head of the state cannot be read")
        }
        guard head.senses.count <= Self.mostSenses, head.senses.values.allSatisfy(\.isPlausible) else {
            throw StateError(description: "what was learned of the senses cannot be")
        }
        var examples: [Example] = []
        for entry in head.examples {
            guard entry.label >= 0, !entry.widths.isEmpty, entry.widths.count <= Self.mostSenses else {
                throw StateError(description: "an example of label \(entry.label) cannot be")
            }
            var sketches: [String: SenseSketch] = [:]
            for (name, width) in entry.widths.sorted(by: { $0.key < $1.key }) {
                guard (1...2 * SenseSketch.mostColumns).contains(width), head.senses[name] != nil else {
                    throw StateError(description: "an example of label \(entry.label) cannot be")
                }
                let numbers = try take(4 * width).withUnsafeBytes { raw in
                    (0..<width).map { Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
                }
                guard let sketch = SenseSketch(numbers) else { throw StateError(description: "a sketch is not finite") }
                sketches[name] = sketch
            }
            examples.append(Example(label: entry.label, source: entry.source, moment: entry.moment, sketches: sketches))
        }
        guard rest.isEmpty else { throw StateError(description: "\(rest.count) bytes follow the state") }
        self.init(capacity: capacity, examples: examples, senses: head.senses)
    }
}

extension LabelMemory.Sense {
    fileprivate var isPlausible: Bool {
        let ranges = LabelMemory.bounds.count + 1
        return count.isFinite && count >= 1 && (-1...1).contains(mean) && squares.isFinite && squares >= 0
            && weights.count == ranges && uses.count == ranges && weights.allSatisfy { (0...1).contains($0) }
            && uses.allSatisfy { $0.isFinite && $0 >= 1 }
    }
}
