import Tensors

/// The inputs and outputs of a recorded language model, for `batch` sequences of up to `time` tokens.
public struct LanguageModel<S: Scalar> {
    /// The number of sequences.
    public let batch: Int
    /// The maximal number of tokens that a sequence reads.
    public let time: Int
    /// (batch·time): the tokens that are read.
    public let ids: Indices
    /// (batch·time): the token that follows each; −100 where none is predicted.
    public let targets: Indices
    /// (batch·time, C): the trunk's output.
    public let hidden: Tensor<S>
    /// (batch·time, V); nil if they are recomputed, some rows at a time.
    let keptLogits: Tensor<S>?
    /// The mean cross entropy over targets, in nats.
    public let loss: Tensor<S>
    /// (batch·time): the cross entropy of each target, in nats; 0 where there is none.
    public let losses: Tensor<S>

    /// (batch·time, V), of a model recorded without `recomputing`.
    public var logits: Tensor<S> {
        guard let keptLogits else { preconditionFailure("a language model with recomputation does not keep its logits") }
        return keptLogits
    }

    /// Sets one sequence for each row: up to time + 1 tokens, of which each predicts the next. Missing rows and tokens do not count
    /// in the loss.
    public func set(_ sequences: [[Int]]) {
        precondition(sequences.count <= batch, "\(sequences.count) sequences in a batch of \(batch)")
        for b in 0..<batch { set(b < sequences.count ? sequences[b][...] : [], at: b) }
    }

    /// Sets the sequence of one row, of up to time + 1 tokens.
    public func set(_ tokens: ArraySlice<Int>, at row: Int) {
        precondition(tokens.count <= time + 1, "\(tokens.count) tokens for \(time) positions and one target")
        for t in 0..<time {
            let place = tokens.startIndex + t
            ids[row * time + t] = place < tokens.endIndex ? tokens[place] : 0
            targets[row * time + t] = place + 1 < tokens.endIndex ? tokens[place + 1] : -100
        }
    }
}
