import Statistics

/// A network of one hidden layer over dense inputs and learned vectors of a few identities, learned online one example at a time:
/// p = σ(c + Σ biases of the identities + w₂·max(0, W₁ [x, vectors] + b₁)), each weight by Adagrad as in `AdagradLogistic`.
public struct OnlineNetwork: Sendable {
    /// Settings.
    public struct Configuration: Sendable {
        public var hidden = 64
        /// The length of an identity's vector.
        public var vector = 16
        public var rate: Float = 0.01
        /// The rate of vectors and biases of identities.
        public var identityRate: Float = 0.06
        /// The most identities of each kind; what comes beyond shares their places.
        public var identityLimit = 1 << 16

        public init() {}
    }

    private typealias Lane = SIMD8<Float>

    private let settings: Configuration
    private let inputs: Int, lanes: Int
    /// Rows of hidden units, each of `lanes`.
    private var w1: [Lane], w1Squares: [Lane]
    private var b1: [Float], b1Squares: [Float]
    private var w2: [Float], w2Squares: [Float]
    private var c: Float = 0, cSquares: Float = 0.01
    private var identities: [Identities]
    private var x: [Lane], hidden: [Float], xGradient: [Lane]
    private var places: [Int] = []
    private var probability: Float = 0.5

    /// Vectors and biases of one kind of identity; they grow as identities come.
    private struct Identities: Sendable {
        var vectors: [Float] = [], squares: [Float] = []
        var biases: [Float] = [], biasSquares: [Float] = []
        var random: RandomSource

        mutating func grow(to count: Int, vector: Int) {
            while biases.count < count {
                for _ in 0..<vector {
                    vectors.append(Float(random.uniform(in: -0.1..<0.1)))
                    squares.append(0.01)
                }
                biases.append(0)
                biasSquares.append(0.1)
            }
        }

        mutating func stepBias(of place: Int, _ gradient: Float, _ rate: Float) {
            step(&biases[place], &biasSquares[place], gradient, rate)
        }

        mutating func stepVector(at index: Int, _ gradient: Float, _ rate: Float) {
            step(&vectors[index], &squares[index], gradient, rate)
        }
    }

    /// - Parameters:
    ///   - inputs: the number of dense inputs.
    ///   - kinds: the number of kinds of identities.
    ///   - configuration: settings.
    ///   - random: draws the initial weights.
    public init(inputs: Int, kinds: Int, _ configuration: Configuration = Configuration(), random: inout RandomSource) {
        settings = configuration
        self.inputs = inputs
        lanes = (inputs + kinds * configuration.vector + Lane.scalarCount - 1) / Lane.scalarCount
        let scale = 1.4 * (3 / Double(inputs + kinds * configuration.vector)).squareRoot()
        w1 = (0..<(configuration.hidden * lanes)).map { _ in
            Lane((0..<Lane.scalarCount).map { _ in Float(random.uniform(in: -scale..<scale)) })
        }
        w1Squares = Array(repeating: Lane(repeating: 0.001), count: w1.count)
        let zeros = [Float](repeating: 0, count: configuration.hidden), start = [Float](repeating: 0.01, count: configuration.hidden)
        (b1, b1Squares, w2Squares, hidden) = (zeros, start, start, zeros)
        let bound = 1 / Double(configuration.hidden).squareRoot()
        w2 = zeros.map { _ in Float(random.uniform(in: -bound..<bound)) }
        x = Array(repeating: Lane(repeating: 0), count: lanes)
        xGradient = x
        identities = (0..<kinds).map { _ in Identities(random: random.split()) }
    }

    /// ln(p / (1 − p)) of the event.
    /// - Parameters:
    ///   - input: dense inputs, finite.
    ///   - ids: an identity of each kind, from 0.
    public mutating func predict(_ input: [Float], ids: [Int]) -> Float {
        precondition(input.count == inputs && ids.count == identities.count, "\(input.count) inputs and \(ids.count) identities")
        for i in 0..<inputs { set(i, input[i]) }
        places = ids.map { ($0 & Int.max) % settings.identityLimit }
        var sum = c
        for (kind, place) in places.enumerated() {
            identities[kind].grow(to: place + 1, vector: settings.vector)
            for i in 0..<settings.vector {
                set(inputs + kind * settings.vector + i, identities[kind].vectors[place * settings.vector + i])
            }
            sum += identities[kind].biases[place]
        }
        for unit in 0..<settings.hidden {
            var dot = Lane(repeating: 0)
            for lane in 0..<lanes { dot += w1[unit * lanes + lane] * x[lane] }
            hidden[unit] = max(0, b1[unit] + dot.sum())
            sum += w2[unit] * hidden[unit]
        }
        probability = squash(sum)
        return sum
    }

    /// Learns whether the event predicted last happened.
    public mutating func learn(_ happened: Bool) {
        let gradient = probability - (happened ? 1 : 0)
        for lane in 0..<lanes { xGradient[lane] = Lane(repeating: 0) }
        for unit in 0..<settings.hidden where hidden[unit] > 0 {
            let inner = gradient * w2[unit]
            step(&w2[unit], &w2Squares[unit], gradient * hidden[unit], settings.rate)
            step(&b1[unit], &b1Squares[unit], inner, settings.rate)
            for lane in 0..<lanes {
                let index = unit * lanes + lane
                xGradient[lane] += inner * w1[index]
                let g = inner * x[lane]
                w1Squares[index] += g * g
                w1[index] -= settings.rate * g / w1Squares[index].squareRoot()
            }
        }
        step(&c, &cSquares, gradient, settings.rate)
        for (kind, place) in places.enumerated() {
            let first = inputs + kind * settings.vector
            identities[kind].stepBias(of: place, gradient, settings.identityRate)
            for i in 0..<settings.vector {
                let g = xGradient[(first + i) / Lane.scalarCount][(first + i) % Lane.scalarCount]
                identities[kind].stepVector(at: place * settings.vector + i, g, settings.identityRate)
            }
        }
    }

    private mutating func set(_ index: Int, _ value: Float) { x[index / Lane.scalarCount][index % Lane.scalarCount] = value }
}

/// One step of Adagrad.
private func step(_ weight: inout Float, _ squares: inout Float, _ gradient: Float, _ rate: Float) {
    squares += gradient * gradient
    weight -= rate * gradient / squares.squareRoot()
}
