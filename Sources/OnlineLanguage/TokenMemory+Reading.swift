import Memory

extension TokenMemory {
    /// Mixes a model's predictions of some tokens with the memory's, which learns each token before it predicts the next.
    /// - Parameters:
    ///   - tokens: what came.
    ///   - logits: (tokens, V), the model's logits, which do not change.
    ///   - scratch: (V), overwritten.
    /// - Returns: the code length of each token, in nats.
    mutating func read(
        _ tokens: some Collection<Int>, logits: Slice<UnsafeMutableBufferPointer<Float>>, scratch: UnsafeMutableBufferPointer<Float>
    ) -> [Double] {
        let V = vocabularySize
        return tokens.enumerated().map { row, token in
            let start = logits.startIndex + row * V
            _ = scratch.update(fromContentsOf: logits[start..<start + V])
            predict(scratch)
            learn(token)
            return -Double(scratch[token])
        }
    }
}
