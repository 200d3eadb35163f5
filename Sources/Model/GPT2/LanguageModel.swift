import Tensors

/// A recorded language model's inputs and outputs, for `batch` sequences of up to `time` tokens.
public struct LanguageModel<S: Scalar> {
    public let batch: Int
    public let time: Int
    /// (batch·time)
    public let ids: Indices
    /// (batch·time): the token that follows each; −100 where none is to be told.
    public let targets: Indices
    /// (batch·time, C): the trunk's output.
    public let hidden: Tensor<S>
    /// (batch·time, V); nil where they are computed anew, some rows at a time.
    let keptLogits: Tensor<S>?
    /// The mean cross entropy over targets, in nats.
    public let loss: Tensor<S>
    /// (batch·time): each target's own, 0 where there is none.
    public let losses: Tensor<S>

    /// (batch·time, V), of a model that keeps them.
    public var logits: Tensor<S> {
        guard let keptLogits else { preconditionFailure("a language model that computes its logits anew keeps none") }
        return keptLogits
    }

    /// Sets one sequence a row: up to time + 1 tokens, of which each tells the next. What is missing is left out of the loss.
    public func set(_ sequences: [[Int]]) {
        precondition(sequences.count <= batch, "\(sequences.count) sequences in a batch of \(batch)")
        for b in 0..<batch { set(b < sequences.count ? sequences[b][...] : [], at: b) }
    }

    /// Sets the sequence of one row.
    public func set(_ tokens: ArraySlice<Int>, at row: Int) {
        precondition(tokens.count <= time + 1, "\(tokens.count) tokens in \(time) places and a target")
        for t in 0..<time {
            let place = tokens.startIndex + t
            ids[row * time + t] = place < tokens.endIndex ? tokens[place] : 0
            targets[row * time + t] = place + 1 < tokens.endIndex ? tokens[place + 1] : -100
        }
    }
}
