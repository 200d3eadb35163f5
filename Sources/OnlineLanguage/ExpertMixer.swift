/// Mixes several predictions of an event in the logistic domain, by weights learned online: the mixers of bytes' bits for other events.
///
/// Each selector has sets of weights, of which a small context chooses one; the selectors' mixtures are averaged in the logistic domain.
public final class ExpertMixer {
    /// Predictions, padded with zeros to a multiple of sixteen.
    private let inputs: Memory<Float>
    private let experts: Int
    private let choices: [Int]
    private var mixers: [Mixer]

    /// - Parameters:
    ///   - experts: the number of predictions, whose initial weights are equal and sum to one.
    ///   - choices: the number of sets of weights of each selector.
    ///   - rate: the learning rate.
    ///   - initialBoost: the rate of a set is multiplied by 1 + this at its first use.
    public init(experts: Int, choices: [Int], rate: Float, initialBoost: Float = 4) {
        precondition(experts > 0 && !choices.isEmpty && choices.allSatisfy { $0 > 0 }, "\(experts) experts, sets of weights \(choices)")
        self.experts = experts
        self.choices = choices
        inputs = Memory((experts + 15) / 16 * 16)
        mixers = choices.map {
            Mixer(inputs: experts, choices: $0, weight: 1 / Float(experts), rate: rate, initialBoost: initialBoost)
        }
    }

    /// The probability of the event.
    /// - Parameters:
    ///   - logits: ln(p / (1 − p)) of each expert; what is not a number counts as 0.
    ///   - contexts: for each selector the index of a set of weights, held within their number.
    public func mix(_ logits: [Float], contexts: [Int]) -> Float {
        precondition(logits.count == experts && contexts.count == mixers.count, "\(logits.count) experts, \(contexts.count) selectors")
        for i in 0..<experts { inputs.base[i] = logits[i].isNaN ? 0 : Logistic.clamp(logits[i]) }
        var sum: Float = 0
        for i in mixers.indices { sum += mixers[i].mix(inputs.base, choice: max(0, min(choices[i] - 1, contexts[i]))) }
        return Logistic.squash(sum / Float(mixers.count))
    }

    /// Learns whether the event mixed last happened.
    public func learn(_ happened: Bool) {
        for i in mixers.indices { mixers[i].learn(inputs.base, bit: happened ? 1 : 0) }
    }
}
