/// Logistic mixing: p = squash(Σᵢ wᵢ xᵢ) over predictions x in the logistic domain, with weights w selected by a small context.
/// Learning descends the code length: w += rate · (bit − p) · x. The rate is higher for sets of weights used rarely so far.
/// Source: M. Mahoney, as `BitHistory`; with chosen weights: C. Mattern, Mixing Strategies in Data Compression, 2012,
/// https://doi.org/10.1109/DCC.2012.40
struct Mixer {
    private typealias Vector = SIMD16<Float>

    private let vectors: Int
    private let weights: Memory<Vector>
    private let uses: Memory<Float>
    private let rate: Float
    private let initialBoost: Float
    private var choice = 0
    private var p: Float = 0.5

    /// - Parameters:
    ///   - inputs: the number of predictions, whose memory is padded to a multiple of sixteen.
    ///   - choices: the number of sets of weights.
    ///   - weight: the initial value of the weights.
    ///   - rate: the learning rate.
    ///   - initialBoost: the learning rate of a set is multiplied by 1 + initialBoost at its first use.
    init(inputs: Int, choices: Int, weight: Float, rate: Float, initialBoost: Float) {
        vectors = (inputs + 15) / 16
        weights = Memory(choices * vectors, repeating: Vector(repeating: weight))
        uses = Memory(choices)
        self.rate = rate
        self.initialBoost = initialBoost
    }

    /// The weighted sum of the predictions `x` in the logistic domain.
    @inline(__always)
    mutating func mix(_ x: UnsafeMutablePointer<Float>, choice: Int) -> Float {
        self.choice = choice
        let w = weights.base + choice * vectors
        var sum = Vector(repeating: 0)
        x.withMemoryRebound(to: Vector.self, capacity: vectors) { x in
            for i in 0..<vectors { sum += w[i] * x[i] }
        }
        let mixed = Logistic.clamp(sum.sum())
        p = Logistic.squash(mixed)
        return mixed
    }

    @inline(__always)
    mutating func learn(_ x: UnsafeMutablePointer<Float>, bit: Int) {
        let n = uses.base[choice]
        uses.base[choice] = n + 1
        let step = (Float(bit) - p) * rate * (1 + initialBoost / (1 + n / 50))
        let w = weights.base + choice * vectors
        x.withMemoryRebound(to: Vector.self, capacity: vectors) { x in
            for i in 0..<vectors { w[i] += step * x[i] }
        }
    }
}
