import Tensors

/// The texts of some rows of a batch, each after the senses' prefix, packed for the language trunk: a text takes as many rows as it
/// has tokens that are read, and a text that is not read takes none.
///
///     sequence b    senses · tokens rows of the prefix, then one row for each token that is read
final class PackedText {
    let sequences: PackedSequences
    /// The input of each row of the sequences: a row of the prefix, or a token and its position in the text; the others are negative.
    let prefixRows: Indices, tokens: Indices, places: Indices
    /// Rows of the sequences at which a token is predicted, and which token.
    let targetRows: Indices, targets: Indices
    private let targetExtent: Extent
    private let prefix: Int, length: Int
    /// By row: the tokens that are read, and those that are predicted.
    private let counts, predicted: UnsafeMutableBufferPointer<Int>

    init<S>(_ configuration: MultimodalConfiguration, rows: Int, in graph: Graph<S>) {
        (prefix, length) = (configuration.prefixLength, configuration.text.length)
        sequences = PackedSequences(rows, longest: prefix + length)
        targetExtent = Extent(rows * length)
        (prefixRows, tokens, places) = (
            graph.indices(along: sequences.rows), graph.indices(along: sequences.rows), graph.indices(along: sequences.rows)
        )
        (targetRows, targets) = (graph.indices(along: targetExtent), graph.indices(along: targetExtent))
        counts = .allocate(capacity: rows)
        counts.initialize(repeating: 0)
        predicted = .allocate(capacity: rows)
        predicted.initialize(repeating: 0)
    }

    deinit {
        counts.deallocate()
        predicted.deallocate()
    }

    /// Tokens predicted of the rows before `row`.
    func firstTarget(of row: Int) -> Int { predicted[..<row].reduce(0, +) }

    /// The tokens predicted of a row, counted over all rows.
    func targets(of row: Int) -> Range<Int> {
        let first = firstTarget(of: row)
        return first..<first + predicted[row]
    }

    /// Packs the texts of all rows.
    /// - Parameters:
    ///   - count: the number of tokens of a row that are read.
    ///   - read, next: (rows·length): the token that is read at a place of a row, and the one that is predicted there; negative if none.
    func pack(_ count: (_ row: Int) -> Int, read: Indices, next: Indices) {
        for row in counts.indices { counts[row] = count(row) }
        sequences.set { counts[$0] == 0 ? 0 : prefix + counts[$0] }
        for row in counts.indices { predicted[row] = (0..<counts[row]).count { next[row * length + $0] >= 0 } }
        targetExtent.count = predicted.reduce(0, +)
        let (prefixRows, tokens, places) = (self.prefixRows.values, self.tokens.values, self.places.values)
        let (targetRows, targets, read, next) = (self.targetRows.values, self.targets.values, read.values, next.values)
        var target = 0
        for row in counts.indices where counts[row] > 0 {
            let start = sequences.start(row)
            for i in 0..<prefix { (prefixRows[start + i], tokens[start + i], places[start + i]) = (Int32(row * prefix + i), -1, -1) }
            for place in 0..<counts[row] {
                let i = start + prefix + place
                (prefixRows[i], tokens[i], places[i]) = (-1, read[row * length + place], Int32(place))
                guard next[row * length + place] >= 0 else { continue }
                (targetRows[target], targets[target]) = (Int32(i), next[row * length + place])
                target += 1
            }
        }
    }
}
