/// A language model of bytes that learns as it reads: it tells the probability of the next bit, then learns the bit.
///
/// Experts remember what followed the contexts of the text; mixers, each choosing its weights by a view of its own, weigh
/// their opinions; a last mixer weighs the mixers; refinements correct what is systematically wrong. Everything is learned
/// online, by descending the code length of the bits as they come; what is predicted depends on the past alone.
public final class ByteLearner {
    private var reading: Reading
    private let hashed: HashedContexts
    private let matches: [Match]
    private let experts: [any Expert]
    private let opinions: Memory<Float>
    private let choices: Memory<Int>
    private var mixers: [Mixer]
    private let mixedOpinions: Memory<Float>
    private var judges: [Mixer]
    private var refinements: [Refinement]
    private var mixed: Float = 0.5
    private let learning: Bool

    /// - Parameters:
    ///   - expectedBytes: the length of the text, if known: a short one needs less memory.
    ///   - learning: false for the same model left frozen.
    public init(_ configuration: Configuration = Configuration(), expectedBytes: Int? = nil, learning: Bool = true) {
        let (table, capacity) = Self.sizes(megabytes: configuration.memory, expectedBytes: expectedBytes)
        reading = Reading(capacity: capacity)
        hashed = HashedContexts(contexts, buckets: table)
        matches = [5, 8, 14].map { Match(minimum: $0, places: capacity) }
        experts = [hashed] + matches
        self.learning = learning

        let inputs = experts.reduce(0) { $0 + $1.opinions }
        opinions = Memory((inputs + 15) / 16 * 16)
        choices = Memory(views.count)
        let rate = Float(configuration.rate)
        mixers = views.map { Mixer(inputs: inputs, choices: $0.choices * 8, weight: 0.04, rate: rate, haste: 12) }
        mixedOpinions = Memory(16)
        let count = views.count
        judges = [256, 256].map { Mixer(inputs: count, choices: $0, weight: 1 / Float(count), rate: rate, haste: 5) }
        refinements = [1 << 16, 1 << 16].map { Refinement(contexts: $0, rate: 0.02) }
        begin()
    }

    /// Buckets that a text of some length fills (about sixteen a byte), and bytes to keep of it, within the memory allowed.
    private static func sizes(megabytes: Int, expectedBytes: Int?) -> (buckets: Int, capacity: Int) {
        precondition(megabytes > 0, "\(megabytes) megabytes of memory")
        func power(_ n: Int) -> Int { 1 << (Int.bitWidth - 1 - max(1, n).leadingZeroBitCount) }
        let most = power(megabytes << 20 / 64)
        let length = min(expectedBytes ?? .max, 1 << 30)
        return (min(most, max(1 << 12, power(2 * 16 * length - 1))), max(1 << 12, min(most, power(2 * length))))
    }

    /// The probability that the next bit is one. Asking changes nothing.
    public func predict() -> BitProbability {
        var next = opinions.base
        for expert in experts {
            expert.predict(reading, into: next)
            next += expert.opinions
        }

        let match = matches.last { $0.length > 0 } ?? matches[0]
        for i in views.indices {
            let choice = views[i].look(reading, hashed.seen, match) << 3 | reading.depth
            mixedOpinions.base[i] = mixers[i].mix(opinions.base, choice: choice)
        }
        let last = Int(reading.recent & 0xff), secondLast = Int(reading.recent >> 8 & 0xff)
        let x = (judges[0].mix(mixedOpinions.base, choice: reading.partial) + judges[1].mix(mixedOpinions.base, choice: last)) / 2
        mixed = Logistic.squash(x)
        let first = refinements[0].refine(x, context: last << 8 | reading.partial)
        let second = refinements[1].refine(x, context: Int(hash(UInt64(last << 8 | secondLast), UInt64(reading.partial)) & 0xffff))
        return BitProbability(mixed / 2 + first / 4 + second / 4)
    }

    /// Learns the bit that was predicted just before, and goes on to the next one.
    public func learn(_ bit: Int) {
        if learning {
            for expert in experts { expert.learn(bit, mixed: mixed) }
            for i in mixers.indices { mixers[i].learn(opinions.base, bit: bit) }
            for i in judges.indices { judges[i].learn(mixedOpinions.base, bit: bit) }
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
            if reading.depth == 4 { turn() }
        }
    }

    private func begin() {
        for expert in experts { expert.read(reading, learning: learning) }
        turn()
    }

    private func turn() {
        for expert in experts { expert.turn(to: reading) }
    }

    /// The probabilities of all 256 bytes that may come next, to the learner as it is now; to be asked between bytes.
    /// Changes nothing that is known. (As a byte is read, each bit is learned before the next, which may change its cost a little.)
    public func distribution() -> [Double] {
        precondition(reading.partial == 1, "\(reading.depth) bits of the next byte are already known")
        var probabilities = [Double](repeating: 1, count: 512)
        for node in 1..<256 {
            reading.partial = node
            if reading.depth == 0 || reading.depth >= 4 { turnToHalf(of: node) }
            let one = Double(predict().ones) / 65536
            probabilities[2 * node] = probabilities[node] * (1 - one)
            probabilities[2 * node + 1] = probabilities[node] * one
        }
        reading.partial = 1
        turn()
        return Array(probabilities[256...])
    }

    private func turnToHalf(of node: Int) {
        reading.partial = reading.depth < 4 ? 1 : node >> (reading.depth - 4)
        turn()
        reading.partial = node
    }
}
