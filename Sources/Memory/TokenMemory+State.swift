import Foundation

extension TokenMemory {
    /// A saved memory that cannot be restored.
    public struct StateError: Error, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// The whole memory but its settings, as bytes; a memory restored from them continues exactly.
    ///
    /// Little-endian: "ATM1"; V, the entries added, kept, and in the context, each in 8 bytes; 1 byte for `isFrozen`, 1 for whether the
    /// context is apart; tokens and gaps in 4 bytes each; their sources in 8; the context in 4; the gate's numbers in 4.
    public var state: [UInt8] {
        let entries = history.entries
        var bytes = Self.mark
        for number in [vocabularySize, history.count, entries.count, context.count] { append(number, to: &bytes) }
        bytes += [isFrozen ? 1 : 0, isApart ? 1 : 0]
        for entry in entries { append(entry.token, to: &bytes) }
        for entry in entries { append(entry.source, to: &bytes) }
        for token in context { append(token, to: &bytes) }
        for number in gate.numbers { append(number.bitPattern, to: &bytes) }
        return bytes
    }

    /// Restores a memory from `state`.
    /// - Parameters:
    ///   - bytes: what `state` gave, of a memory with the same vocabulary; of more tokens than the capacity the newest are kept.
    ///   - configuration: valid settings.
    /// - Throws: `StateError`, if the bytes do not fit.
    public init(_ bytes: [UInt8], vocabularySize: Int, _ configuration: Configuration = Configuration()) throws(StateError) {
        self.init(vocabularySize: vocabularySize, configuration)
        var rest = bytes[...]
        guard rest.starts(with: Self.mark) else { throw StateError(description: "this is not the state of a token memory") }
        rest = rest.dropFirst(Self.mark.count)
        let sizes = try Self.take(4, Int.self, from: &rest), (added, kept, read) = (sizes[1], sizes[2], sizes[3])
        guard sizes[0] == vocabularySize else {
            throw StateError(description: "the memory is of \(sizes[0]) tokens, the model of \(vocabularySize)")
        }
        let fits = kept >= 0 && kept <= added && added <= Int.max / 2
        guard fits, (0...TokenHistory.longestMatch).contains(read) else {
            throw StateError(description: "\(kept) of \(added) tokens and a context of \(read) cannot be")
        }
        let flags = rest.prefix(2)
        rest = rest.dropFirst(2)
        guard flags.count == 2, flags.allSatisfy({ $0 <= 1 }) else { throw StateError(description: "the state ends early") }
        (isFrozen, isApart) = (flags.first == 1, flags.last == 1)
        let tokens = try Self.take(kept, Int32.self, from: &rest), sources = try Self.take(kept, Int.self, from: &rest)
        context = try Self.take(read, Int32.self, from: &rest)
        let valid = TokenHistory.gap..<Int32(vocabularySize)
        guard tokens.allSatisfy(valid.contains), context.allSatisfy({ $0 >= 0 && valid.contains($0) }) else {
            throw StateError(description: "a token of the memory is not below \(vocabularySize)")
        }
        history = TokenHistory(
            capacity: configuration.capacity, count: added,
            kept: zip(tokens, sources).suffix(configuration.capacity).map { TokenHistory.Entry(token: $0, source: $1) })
        let numbers = try Self.take(rest.count / 4, UInt32.self, from: &rest).map(Float.init(bitPattern:))
        guard rest.isEmpty, gate.restore(numbers) else { throw StateError(description: "the gate's numbers do not fit") }
    }

    private static let mark = Array("ATM1".utf8)

    private func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }

    private static func take<N: FixedWidthInteger>(
        _ count: Int, _ kind: N.Type, from bytes: inout ArraySlice<UInt8>
    ) throws(StateError) -> [N] {
        let width = MemoryLayout<N>.size, (size, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, bytes.count >= size else { throw StateError(description: "the state ends early") }
        defer { bytes = bytes.dropFirst(size) }
        return bytes.prefix(size).withUnsafeBytes { raw in
            (0..<count).map { N(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * width, as: N.self)) }
        }
    }
}
