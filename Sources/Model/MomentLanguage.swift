import Tensors

/// The language trunk of a multimodal model, recorded for a batch of moments and what was written after their words: for whoever judges writing.
///
///     let language = MomentLanguage(model, batch: 8, rows: 256, in: graph)
///     language.set(moment, written: tokens, batchRow: 0, rows: 0..<tokens.count)
///     graph.forward()                  // language.logits: what each token was chosen from
///
/// One owner, as for any graph.
public final class MomentLanguage<S: Scalar> {
    public let batch: Int
    /// (rows, C) and (rows, V): what the trunk makes of the places at which something was written, and the logits of what comes next there.
    public let hidden, logits: Tensor<S>
    private let inputs: MultimodalInputs<S>
    private let places: Indices

    /// - Parameter rows: written tokens of all moments together.
    public init(_ model: MultimodalModel, batch: Int, rows: Int, in graph: Graph<S>) {
        self.batch = batch
        inputs = MultimodalInputs(model.configuration, batch: batch, languageRows: batch, in: graph)
        places = graph.indices(Array(repeating: 0, count: rows))
        let read = model.read(model.percepts(inputs, in: graph), inputs, languageRows: batch, in: graph)
        hidden = graph.gatherRows(of: read, places)
        logits = model.trunk.logits(hidden, in: graph)
    }

    /// Puts a moment in, and what was written after its words, which together are no longer than a text; the vocabulary's last token is the end.
    /// - Parameter rows: those of `logits` that tell the written tokens, as many.
    public func set(_ moment: MomentInput, written: [Int], row: Int, rows: Range<Int>) {
        precondition(rows.count == written.count, "\(rows.count) rows for \(written.count) tokens")
        for (place, row) in zip(inputs.set(moment, written: written, row: row), rows) { places[row] = place }
    }

    /// An empty moment.
    public func clear(row: Int) { inputs.set(MomentInput(), row: row, hiding: [], turns: []) }
}
