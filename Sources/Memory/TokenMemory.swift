import Foundation
import Statistics
import Tensors

/// A bounded memory of which token followed which context, whose predictions are mixed with those of a language model.
///
///     memory.predict(logits)            // logits become log-probabilities
///     memory.learn(token, source: 7)    // what came
///     memory.forget(source: 7)
///
/// It looks for earlier occurrences of the last tokens, in several lengths. Each token that followed one is a candidate, and a gate
/// decides, candidate after candidate, how probable it is, from what is remembered and from the model's own probability; the gate
/// learns online from the log-loss. Tokens that are no candidates share the rest in the model's proportions. It is a value, and equal
/// calls give equal results, to the bit.
///
/// Sources: U. Khandelwal et al., Generalization through Memorization, https://arxiv.org/abs/1911.00172; E. Grave et al., Improving
/// Neural Language Models with a Continuous Cache, https://arxiv.org/abs/1612.04426; the mixing is that of `Gate`.
public struct TokenMemory: Sendable {
    /// The settings of a memory.
    public struct Configuration: Settings {
        /// The maximum number of tokens kept; the oldest make room.
        public var capacity = 65_536
        /// The maximum number of candidates for the next token.
        public var candidates = 20
        /// The maximum number of earlier occurrences looked at, for each length of a context.
        public var occurrences = 64
        /// The learning rate of the gate.
        public var rate = 0.005

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((1...1 << 24).contains(capacity), "capacity", "is \(capacity), not 1…\(1 << 24)")
            try SettingsError.require((1...4_096).contains(candidates), "candidates", "is \(candidates), not 1…4,096")
            try SettingsError.require((1...65_536).contains(occurrences), "occurrences", "is \(occurrences), not 1…65,536")
            try SettingsError.require(rate >= 0 && rate <= 1, "rate", "is \(rate), not 0…1")
        }
    }

    /// How many tokens the model knows.
    public let vocabularySize: Int
    /// The settings.
    public let configuration: Configuration
    /// Whether tokens are read without being kept or learned: predictions follow the text, but the memory does not change.
    public var isFrozen = false

    var history: TokenHistory
    /// The last tokens read.
    var context: [Int32] = []
    /// Whether the context is not the history's end, because tokens were read while it was frozen.
    var isApart = false
    var gate: Gate
    private var decisions: [Gate.Decision] = []

    /// An empty memory.
    /// - Parameters:
    ///   - vocabularySize: V, the number of tokens that the model knows.
    ///   - configuration: valid settings.
    public init(vocabularySize: Int, _ configuration: Configuration = Configuration()) {
        precondition((1...Int(Int32.max)).contains(vocabularySize), "a vocabulary of \(vocabularySize) tokens")
        self.vocabularySize = vocabularySize
        self.configuration = configuration
        history = TokenHistory(capacity: configuration.capacity)
        gate = Gate(rate: configuration.rate)
    }

    /// The number of tokens kept.
    public var count: Int { history.entries.count { $0.token != TokenHistory.gap } }

    /// Mixes a model's prediction of the next token with that of the memory.
    /// - Parameter logits: (V), the model's logits; they become log-probabilities. If they are not numbers that define a distribution,
    ///   they stay.
    public mutating func predict(_ logits: UnsafeMutableBufferPointer<Float>) {
        precondition(logits.count == vocabularySize, "\(logits.count) logits for \(vocabularySize) tokens")
        decisions.removeAll(keepingCapacity: true)
        let evidence = Evidence(
            of: history, after: context, candidates: configuration.candidates, occurrences: configuration.occurrences)
        let kept = evidence.candidates.map { Double(logits[Int($0.token)]) }
        for candidate in evidence.candidates { logits[Int(candidate.token)] = -.infinity }
        let restLevel = Self.level(logits)
        for (candidate, logit) in zip(evidence.candidates, kept) { logits[Int(candidate.token)] = Float(logit) }
        // The model's probabilities, up to a factor: of the candidates and, together, of all others.
        let peak = kept.reduce(restLevel) { max($0, $1) }
        guard peak.isFinite, !restLevel.isNaN, kept.allSatisfy({ $0 < .infinity }) else { return }
        let shares = kept.map { exp($0 - peak) }
        let order = Self.order(evidence, shares: shares, total: shares.reduce(exp(restLevel - peak), +))
        var remaining = order.reversed().reduce(into: [exp(restLevel - peak)]) { $0.append($0[$0.count - 1] + shares[$1]) }

        var logRest = 0.0
        for i in order {
            let total = remaining.removeLast()
            var decision = gate.decide(evidence.candidates[i], trunk: total > 0 ? shares[i] / total : 0, evidence)
            // If nothing else is possible, the last candidate is certain.
            if remaining.count == 1, remaining[0] == 0 { decision.probability = 1 }
            logits[Int(decision.token)] = Float(logRest + log(Double(decision.probability)))
            logRest += log1p(-Double(decision.probability))
            decisions.append(decision)
        }
        if restLevel.isFinite { shift(logits, by: Float(logRest - restLevel)) }
    }

    /// Learns the token that came; the gate learns too if it was predicted.
    /// - Parameters:
    ///   - token: the token, below V.
    ///   - source: where it comes from, for `forget`.
    public mutating func learn(_ token: Int, source: Int = 0) {
        precondition((0..<vocabularySize).contains(token), "the token \(token) of \(vocabularySize)")
        let token = Int32(token)
        if isFrozen {
            isApart = true
        } else {
            if isApart { history.append(TokenHistory.Entry(token: TokenHistory.gap, source: source)) }
            isApart = false
            for decision in decisions {
                gate.learn(decision, hit: decision.token == token)
                if decision.token == token { break }
            }
            history.append(TokenHistory.Entry(token: token, source: source))
        }
        decisions.removeAll(keepingCapacity: true)
        context.append(token)
        if context.count > TokenHistory.longestMatch { context.removeFirst() }
    }

    /// The number of a source's name.
    public static func source(_ name: String) -> Int {
        // G. Fowler et al., FNV-1a, https://datatracker.ietf.org/doc/html/draft-eastlake-fnv
        let hash = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash)
    }

    /// A reader of this memory for a text that is being written.
    /// - Parameter beginning: the tokens, below V, that the text begins with.
    public func reader(after beginning: some Collection<Int> = []) -> Reader { Reader(self, after: beginning) }

    /// Lets a memory take part in writing a text, which it follows without keeping it.
    public struct Reader: Sendable {
        private var memory: TokenMemory
        /// The number of tokens followed.
        private var count = 0

        fileprivate init(_ memory: TokenMemory, after beginning: some Collection<Int>) {
            self.memory = memory
            self.memory.isFrozen = true
            self.memory.endSequence()
            for token in beginning.suffix(TokenHistory.longestMatch) { self.memory.learn(token) }
        }

        /// Mixes a model's prediction of the next token with that of the memory.
        /// - Parameters:
        ///   - logits: (V), as `TokenMemory.predict` takes them.
        ///   - written: the tokens written so far, which continue those of the last call.
        public mutating func mix(_ logits: UnsafeMutableBufferPointer<Float>, after written: some Collection<Int>) {
            for token in written.dropFirst(count) { memory.learn(token) }
            count = written.count
            memory.predict(logits)
        }
    }

    /// Ends a sequence: what comes next does not follow from what was read before.
    public mutating func endSequence() {
        context = []
        isApart = true
        decisions.removeAll(keepingCapacity: true)
    }

    /// Takes all tokens of a source out. The store is then what it would be if they had never come: the tokens around them follow one
    /// another. What the gate has learned stays, which is how far to trust contexts, not what followed them.
    public mutating func forget(source: Int) {
        let kept = history.entries.filter { $0.source != source }
        history = TokenHistory(capacity: configuration.capacity, count: kept.count, kept: kept)
        context = history.context
        isApart = false
        decisions.removeAll(keepingCapacity: true)
    }

    // MARK: Arithmetic

    /// The candidates by their probability, roughly; ties by token.
    private static func order(_ evidence: Evidence, shares: [Double], total: Double) -> [Int] {
        let scores = evidence.candidates.indices.map { i in
            evidence.totals.indices.reduce(total > 0 ? shares[i] / total : 0) { score, order in
                score + 0.3 * Double(evidence.candidates[i].counts[order]) / (Double(evidence.totals[order]) + 0.5)
            }
        }
        return scores.indices.sorted {
            (scores[$1], evidence.candidates[$0].token) < (scores[$0], evidence.candidates[$1].token)
        }
    }

    /// ln Σ eˣ; −∞ where there is nothing.
    private static func level(_ x: UnsafeMutableBufferPointer<Float>) -> Double {
        let start = x.baseAddress!, whole = x.count / 16 * 16
        var peaks = SIMD16<Float>(repeating: -.infinity)
        for i in stride(from: 0, to: whole, by: 16) {
            let part = SIMD16<Float>(load: start + i)
            peaks.replace(with: part, where: part .> peaks)
        }
        let peak = x[whole...].reduce(peaks.largest) { max($0, $1) }
        guard peak > -.infinity else { return -.infinity }
        var sums = SIMD16<Float>.zero
        for i in stride(from: 0, to: whole, by: 16) { sums += SIMD16<Float>.exp(SIMD16<Float>(load: start + i) - peak) }
        return Double(peak) + log(x[whole...].reduce(Double(sums.total)) { $0 + Double(exp($1 - peak)) })
    }

    /// Adds a number to the logits of all tokens that were no candidates.
    private func shift(_ logits: UnsafeMutableBufferPointer<Float>, by distance: Float) {
        let kept = decisions.map { logits[Int($0.token)] }
        for i in logits.indices { logits[i] += distance }
        for (decision, logProbability) in zip(decisions, kept) { logits[Int(decision.token)] = logProbability }
    }
}
