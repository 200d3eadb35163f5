import Tensors

/// The language trunk of a multimodal model, recorded for a batch of moments with answers: gives the logits of each answer token, to
/// score or train the answers.
///
///     let language = MomentLanguage(model, batch: 8, rows: 256, in: graph)
///     language.set(moment, written: tokens, batchRow: 0, rows: 0..<tokens.count)
///     graph.forward()                  // language.logits: the distribution of each written token
///
/// It has one owner, as any graph.
public final class MomentLanguage<S: Scalar> {
    /// The number of moments.
    public let batch: Int
    /// (rows, C) and (rows, V): for each written token, the trunk's output before it, and the logits from which it was chosen.
    public let hidden, logits: Tensor<S>
    private let inputs: MultimodalInputs<S>
    private let places: Indices

    /// Records the model into a graph whose store holds its parameters.
    ///
    /// - Parameters:
    ///   - model: the multimodal model.
    ///   - batch: the number of moments.
    ///   - rows: the number of written tokens of all moments together.
    ///   - graph: the graph.
    public init(_ model: MultimodalModel, batch: Int, rows: Int, in graph: Graph<S>) {
        self.batch = batch
        inputs = MultimodalInputs(model.configuration, batch: batch, languageRows: batch, in: graph)
        places = graph.indices(Array(repeating: 0, count: rows))
        let read = model.read(model.percepts(inputs, in: graph), inputs, languageRows: batch, in: graph)
        hidden = graph.gatherRows(of: read, places)
        logits = model.trunk.logits(hidden, in: graph)
    }

    /// Sets a moment and the answer that follows its text.
    ///
    /// - Parameters:
    ///   - moment: the moment.
    ///   - written: the answer's tokens, no longer than a text together with the moment's; `turns.end` is the end.
    ///   - row: the moment's row of the batch.
    ///   - rows: the rows of `logits` for the written tokens, as many as there are tokens.
    public func set(_ moment: MomentInput, written: [Int], row: Int, rows: Range<Int>) {
        precondition(rows.count == written.count, "\(rows.count) rows for \(written.count) tokens")
        for (place, row) in zip(inputs.set(moment, written: written, row: row), rows) { places[row] = place }
    }

    /// Sets an empty moment.
    public func clear(row: Int) { inputs.set(MomentInput(), row: row, hiding: [], shifts: []) }
}
