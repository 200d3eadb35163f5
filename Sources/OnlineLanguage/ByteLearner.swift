/// A language model of bytes that learns online: it predicts the probability of the next bit, then learns the bit.
///
/// Experts predict from what followed the contexts of the text before; mixers, each with a selector of its weights, combine their
/// predictions; final mixers combine the outputs of the mixers; refinements correct systematic errors. All parts learn online by
/// minimising the code length of each bit; predictions depend on the past only.
public final class ByteLearner {
    private var reading: Reading
    private let hashed: HashedContexts
    private let matches: [Match]
    private let experts: [any Expert]
    private let predictions: Memory<Float>
    private let choices: Memory<Int>
    private var mixers: [Mixer]
    private let mixedPredictions: Memory<Float>
    private var finalMixers: [Mixer]
    private var refinements: [Refinement]
    private var mixed: Float = 0.5
    private let learning: Bool

    /// - Parameters:
    ///   - configuration: the settings.
    ///   - expectedBytes: the length of the text if known; a short one needs less memory.
    ///   - learning: false for a model that does not learn.
    public init(_ configuration: Configuration = Configuration(), expectedBytes: Int? = nil, learning: Bool = true) {
        let (table, capacity) = Self.sizes(megabytes: configuration.memory, expectedBytes: expectedBytes)
        reading = Reading(capacity: capacity)
        hashed = HashedContexts(contexts, buckets: table)
        matches = [5, 8, 14].map { Match(minimum: $0, places: capacity) }
        experts = [hashed] + matches
        self.learning = learning

        let inputs = experts.reduce(0) { $0 + $1.predictionCount }
        predictions = Memory((inputs + 15) / 16 * 16)
        choices = Memory(weightSelectors.count)
        let rate = Float(configuration.rate)
        mixers = weightSelectors.map { Mixer(inputs: inputs, choices: $0.choices * 8, weight: 0.03, rate: rate, initialBoost: 12) }
        mixedPredictions = Memory(16)
        let count = weightSelectors.count
        finalMixers = [256, 256].map { Mixer(inputs: count, choices: $0, weight: 1 / Float(count), rate: rate * 2 / 3, initialBoost: 5) }
        refinements = [1 << 16, 1 << 16].map { Refinement(contexts: $0, rate: 0.02) }
        begin()
    }

    /// The number of buckets that a text of some length fills (about sixteen for each byte), and the number of its bytes to keep, within
    /// the memory allowed.
    private static func sizes(megabytes: Int, expectedBytes: Int?) -> (buckets: Int, capacity: Int) {
        precondition(megabytes > 0, "\(megabytes) megabytes of memory")
        func power(_ n: Int) -> Int { 1 << (Int.bitWidth - 1 - max(1, n).leadingZeroBitCount) }
        let most = power(megabytes << 20 / 64)
        let length = min(expectedBytes ?? .max, 1 << 30)
        return (min(most, max(1 << 12, power(2 * 16 * length - 1))), max(1 << 12, min(most, power(2 * length))))
    }

    /// The probability that the next bit is one. It does not change what has been learned.
    public func predict() -> BitProbability {
        var next = predictions.base
        for expert in experts {
            expert.predict(reading, into: next)
            next += expert.predictionCount
        }

        let match = matches.last { $0.length > 0 } ?? matches[0]
        for i in weightSelectors.indices {
            let choice = weightSelectors[i].select(reading, hashed.seen, match) << 3 | reading.depth
            mixedPredictions.base[i] = mixers[i].mix(predictions.base, choice: choice)
        }
        let last = Int(reading.recent & 0xff), secondLast = Int(reading.recent >> 8 & 0xff)
        let byPartial = finalMixers[0].mix(mixedPredictions.base, choice: reading.partial)
        let byLast = finalMixers[1].mix(mixedPredictions.base, choice: last)
        let x = (byPartial + byLast) / 2
        mixed = Logistic.squash(x)
        let first = refinements[0].refine(x, context: last << 8 | reading.partial)
        let second = refinements[1].refine(x, context: Int(hash(UInt64(last << 8 | secondLast), UInt64(reading.partial)) & 0xffff))
        return BitProbability(mixed / 2 + first / 4 + second / 4)
    }

    /// Learns the bit predicted by the last call of `predict`, and advances to the next.
    public func learn(_ bit: Int) {
        if learning {
            for expert in experts { expert.learn(bit, mixed: mixed) }
            for i in mixers.indices { mixers[i].learn(predictions.base, bit: bit) }
            for i in finalMixers.indices { finalMixers[i].learn(mixedPredictions.base, bit: bit) }
            for i in refinements.indices { refinements[i].learn(bit) }
        }
        advance(bit)
    }

    private func advance(_ bit: Int) {
        let next = reading.partial << 1 | bit
        if next >= 256 {
            reading.append(UInt8(next & 255))
            begin()
        } else {
            reading.partial = next
            if reading.depth == 4 { beginHalfByte() }
        }
    }

    private func begin() {
        for expert in experts { expert.read(reading, learning: learning) }
        beginHalfByte()
    }

    private func beginHalfByte() {
        for expert in experts { expert.beginHalfByte(reading) }
    }

    /// The probabilities of all 256 values of the next byte; may be called between bytes only. It does not change what has been learned.
    /// (When a byte is read, each bit is learned before the next is predicted, which may change its code length slightly.)
    public func distribution() -> [Double] {
        precondition(reading.partial == 1, "\(reading.depth) bits of the next byte are already known")
        var probabilities = [Double](repeating: 1, count: 512)
        for node in 1..<256 {
            reading.partial = node
            if reading.depth == 0 || reading.depth >= 4 { beginHalfByte(of: node) }
            let one = Double(predict().ones) / 65536
            probabilities[2 * node] = probabilities[node] * (1 - one)
            probabilities[2 * node + 1] = probabilities[node] * one
        }
        reading.partial = 1
        beginHalfByte()
        return Array(probabilities[256...])
    }

    private func beginHalfByte(of node: Int) {
        reading.partial = reading.depth < 4 ? 1 : node >> (reading.depth - 4)
        beginHalfByte()
        reading.partial = node
    }
}
