import Tensors

/// The texts of some rows of a batch, each behind what the senses say, packed for the language trunk: a text costs as many places as it has
/// tokens, and one that is not asked for none.
///
///     sequence b    senses · tokens rows of the prefix, then one row for each token that is told
final class PackedText {
    let sequences: PackedSequences
    /// What each row of the sequences reads: a row of the prefix, or a token at its place in the text; negative: none.
    let prefixRows: Indices, tokens: Indices, places: Indices
    /// Rows of the sequences at which a token is told, and which.
    let told: Indices, targets: Indices
    private let tellings: Extent
    private let prefix: Int, length: Int
    private let counts: UnsafeMutableBufferPointer<Int>

    init<S>(_ configuration: MultimodalConfiguration, rows: Int, in graph: Graph<S>) {
        (prefix, length) = (configuration.prefixLength, configuration.text.length)
        sequences = PackedSequences(rows, longest: prefix + length)
        tellings = Extent(rows * length)
        (prefixRows, tokens, places) = (
            graph.indices(along: sequences.rows), graph.indices(along: sequences.rows), graph.indices(along: sequences.rows)
        )
        (told, targets) = (graph.indices(along: tellings), graph.indices(along: tellings))
        counts = .allocate(capacity: rows)
        counts.initialize(repeating: 0)
    }

    deinit { counts.deallocate() }

    /// Tokens told of the rows before `row`.
    func firstTold(of row: Int) -> Int { counts[..<row].reduce(0, +) }

    /// Packs the texts of all rows.
    /// - Parameters:
    ///   - count: tokens that a row tells.
    ///   - read, next: (rows·length): the token that is read at a place of a row, and the one that is told there.
    func pack(_ count: (_ row: Int) -> Int, read: Indices, next: Indices) {
        for row in counts.indices { counts[row] = count(row) }
        sequences.set { counts[$0] == 0 ? 0 : prefix + counts[$0] }
        tellings.count = counts.reduce(0, +)
        let (prefixRows, tokens, places) = (self.prefixRows.values, self.tokens.values, self.places.values)
        let (told, targets, read, next) = (self.told.values, self.targets.values, read.values, next.values)
        var telling = 0
        for row in counts.indices where counts[row] > 0 {
            let start = sequences.start(row)
            for i in 0..<prefix { (prefixRows[start + i], tokens[start + i], places[start + i]) = (Int32(row * prefix + i), -1, -1) }
            for place in 0..<counts[row] {
                let i = start + prefix + place
                (prefixRows[i], tokens[i], places[i]) = (-1, read[row * length + place], Int32(place))
                (told[telling], targets[telling]) = (Int32(i), next[row * length + place])
                telling += 1
            }
        }
    }
}
