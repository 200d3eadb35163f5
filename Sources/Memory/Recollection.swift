import Foundation

/// What corrections of similar questions contribute to an answer: their answers stand before the question, and the tokens of the most
/// similar one are mixed into the model's distribution.
public struct Recollection: Sendable {
    /// The recalled answers, the most similar last, and then the question: the user's turn.
    public let question: String
    /// The tokens of the most similar answer and of its end.
    public let copied: [Int]
    /// The similarity of the most similar question.
    public let weight: Double

    /// - Parameters:
    ///   - recalled: the corrections found, the most similar last.
    ///   - question: what is asked.
    ///   - copied: the tokens of the most similar answer and of its end.
    init(_ recalled: [CorrectionMemory.Recalled], question: String, copied: [Int]) {
        self.question = (recalled.map(\.correction.answer) + [question]).joined(separator: " ")
        self.copied = copied
        // The model can always say something else.
        weight = min(0.999, recalled.last?.similarity ?? 0)
    }

    /// Replaces a model's logits by ln((1 − weight) · softmax(logits) + weight · [token = copied]), as long as what has been written agrees
    /// with the beginning of the recalled answer.
    /// - Parameters:
    ///   - logits: (V); logits that are not finite, or in whose vocabulary the token is not, stay as they are.
    ///   - written: the tokens of the answer so far.
    public func mix(_ logits: UnsafeMutableBufferPointer<Float>, after written: some Collection<Int>) {
        guard written.count < copied.count, copied.starts(with: written), logits.indices.contains(copied[written.count]) else { return }
        guard let peak = logits.max(), peak.isFinite else { return }
        let sum = logits.reduce(0.0) { $0 + exp(Double($1 - peak)) }
        guard sum.isFinite else { return }
        let token = copied[written.count], own = (1 - weight) * exp(Double(logits[token] - peak)) / sum
        let shift = Float(log(1 - weight) - log(sum)) - peak
        for i in logits.indices { logits[i] += shift }
        logits[token] = Float(log(own + weight))
    }
}

extension CorrectionMemory {
    /// What the corrections contribute to the answer to a question; nil if none is similar.
    /// - Parameters:
    ///   - question: what is asked.
    ///   - limit: the maximal number of corrections.
    ///   - end: the token that ends an answer.
    public func recollection(of question: String, limit: Int, end: Int?) -> Recollection? {
        let recalled = recall(question, limit: limit)
        guard let best = recalled.last else { return nil }
        return Recollection(
            recalled, question: question, copied: tokenizer.encodeText(Array(best.correction.answer.utf8)) + (end.map { [$0] } ?? []))
    }
}
