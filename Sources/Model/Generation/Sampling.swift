import Foundation
import Statistics

/// How the next token is drawn from a model's logits; the steps and their order are those of transformers' `generate`.
/// https://huggingface.co/docs/transformers/internal/generation_utils
public struct Sampling: Sendable, Equatable {
    /// Divides the logits; at 0 the most likely token is taken.
    public var temperature = 1.0
    /// Draws from only so many of the most likely tokens; 0 for all.
    public var topK = 0
    /// Draws from only the most likely tokens that together reach this probability.  https://arxiv.org/abs/1904.09751
    public var topP = 1.0
    /// Logits of tokens that occurred before are divided by it if positive, multiplied by it if negative.
    /// https://arxiv.org/abs/1909.05858
    public var repetitionPenalty = 1.0

    public init(temperature: Double = 1, topK: Int = 0, topP: Double = 1, repetitionPenalty: Double = 1) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.repetitionPenalty = repetitionPenalty
    }

    /// The first invalid value; nil if all are valid.
    public var problem: SettingsError? {
        if !(temperature >= 0 && temperature.isFinite) { return SettingsError("temperature", "is \(temperature); it must be 0 or more") }
        if topK < 0 { return SettingsError("topK", "is \(topK); it must be 0 or more") }
        if !(topP > 0 && topP <= 1) { return SettingsError("topP", "is \(topP); it must be above 0 and at most 1") }
        if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
            return SettingsError("repetitionPenalty", "is \(repetitionPenalty); it must be above 0")
        }
        return nil
    }

    /// Draws the next token.
    ///
    /// - Parameters:
    ///   - logits: (V); they are changed.
    ///   - history: the tokens before, for the repetition penalty.
    ///   - random: the source of random numbers.
    /// - Returns: the token; nil if a logit is not finite.
    public func token(
        from logits: UnsafeMutableBufferPointer<Float>, after history: [Int], using random: inout RandomSource
    ) -> Int? {
        if repetitionPenalty != 1 {
            let penalty = Float(repetitionPenalty)
            for token in Set(history) { logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty }
        }
        var best = 0
        for token in logits.indices {
            if !logits[token].isFinite { return nil }
            if logits[token] > logits[best] { best = token }
        }
        if temperature == 0 || topK == 1 { return best }
        return draw(mostLikely(logits, best: logits[best]), using: &random)
    }

    /// Candidates and their weights. A token that is e⁴⁰ times less likely than the best is never drawn.
    private func mostLikely(_ logits: UnsafeMutableBufferPointer<Float>, best: Float) -> [(token: Int, weight: Double)] {
        var candidates: [(token: Int, weight: Double)] = []
        for token in logits.indices {
            let exponent = Double(logits[token] - best) / temperature
            if exponent > -40 { candidates.append((token, exp(exponent))) }
        }
        guard topK > 0 || topP < 1 else { return candidates }
        candidates.sort { ($1.weight, $0.token) < ($0.weight, $1.token) }
        if topK > 0 { candidates = Array(candidates.prefix(topK)) }
        let enough = topP * candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        return Array(
            candidates.prefix { candidate in
                defer { sum += candidate.weight }
                return sum < enough || topP == 1
            })
    }

    private func draw(_ candidates: [(token: Int, weight: Double)], using random: inout RandomSource) -> Int? {
        var mark = random.uniform() * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            mark -= candidate.weight
            if mark < 0 { return candidate.token }
        }
        return candidates.last?.token
    }
}
