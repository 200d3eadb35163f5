import GGUF

/// A smaller version of a model, by its name: what is removed, `pruned:0.2` (a part of the units and heads), and how matrices are stored,
/// `int8`, `int5` or `int4`, after a slash the tables of tokens and of the head, as in `int4/int8`; or both, as in `pruned:0.2+int4`.
public struct CompressionTarget: Sendable, Equatable, CustomStringConvertible {
    public let description: String
    /// What is removed; nil for nothing.
    public let pruning: ModelPruning?
    /// How it is stored; nil for half precision.
    public let compression: ModelCompression?

    private static let types: KeyValuePairs<String, GGUFType> = ["int8": .q8_0, "int5": .q5_0, "int4": .q4_0]

    /// - Parameter name: nil is returned for one that is not known.
    public init?(_ name: String) {
        let parts = name.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.first.flatMap { Self.fraction(of: $0) }
        let stored = fraction == nil ? parts[...] : parts.dropFirst()
        guard stored.count <= 1 else { return nil }
        pruning = fraction.map { ModelPruning(fraction: $0) }
        compression = stored.first.flatMap { Self.compression(of: $0) }
        guard (compression != nil) == !stored.isEmpty else { return nil }
        description = name
    }

    private static func fraction(of text: Substring) -> Double? {
        guard text.hasPrefix("pruned:"), let fraction = Double(text.dropFirst("pruned:".count)), fraction > 0, fraction < 1 else {
            return nil
        }
        return fraction
    }

    private static func compression(of text: Substring) -> ModelCompression? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let types = parts.compactMap { part in Self.types.first { $0.key == part }?.value }
        guard types.count == parts.count, types.count <= 2, let projections = types.first else { return nil }
        return ModelCompression(projections: projections, tables: types.last ?? projections)
    }
}
