import Foundation

/// Logistic regression learned online over a few dense inputs and many rare indicators: p = σ(u·x + Σᵢ wᵢ), i over the indicators that
/// are on. Each weight has its own step, rate / √(ε + Σ g²).  Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html
///
/// Indicators are keys of any value; they share a table of fixed size by their hash (Weinberger et al. 2009,
/// https://arxiv.org/abs/0902.2206), so that memory does not grow with what comes.
public struct AdagradLogistic: Sendable {
    /// Settings, chosen for inputs of about one.
    public struct Configuration: Sendable {
        /// The rate of dense weights and its first Σ g².
        public var denseRate: Float = 0.03, denseStart: Float = 1
        /// The rate of indicators' weights and their first Σ g².
        public var rate: Float = 0.05, start: Float = 0.1
        /// The table of indicators has 2 to the power of this many weights.
        public var tableBits = 20

        public init() {}
    }

    private let settings: Configuration
    private var dense: [Float], denseSquares: [Float]
    private var table: [Float], tableSquares: [Float]
    private var input: [Float] = []
    private var slots: [Int] = []
    private var probability: Float = 0.5

    /// - Parameters:
    ///   - inputs: the number of dense inputs.
    ///   - configuration: settings.
    public init(inputs: Int, _ configuration: Configuration = Configuration()) {
        precondition((0...26).contains(configuration.tableBits), "a table of 2^\(configuration.tableBits) weights")
        settings = configuration
        dense = Array(repeating: 0, count: inputs)
        denseSquares = Array(repeating: configuration.denseStart, count: inputs)
        table = Array(repeating: 0, count: 1 << configuration.tableBits)
        tableSquares = Array(repeating: configuration.start, count: 1 << configuration.tableBits)
    }

    /// ln(p / (1 − p)) of the event.
    /// - Parameters:
    ///   - x: dense inputs, finite.
    ///   - keys: indicators that are on.
    public mutating func predict(_ x: [Float], keys: [UInt64] = []) -> Float {
        precondition(x.count == dense.count, "\(x.count) inputs for \(dense.count) weights")
        input = x
        slots.removeAll(keepingCapacity: true)
        for key in keys { slots.append(Int(mixed(key) >> UInt64(64 - settings.tableBits))) }
        var sum: Float = 0
        for i in x.indices { sum += dense[i] * x[i] }
        for slot in slots { sum += table[slot] }
        probability = squash(sum)
        return sum
    }

    /// Learns whether the event predicted last happened.
    /// - Parameters:
    ///   - happened: the outcome.
    ///   - weight: the importance of this example.
    public mutating func learn(_ happened: Bool, weight: Float = 1) {
        let gradient = weight * (probability - (happened ? 1 : 0))
        for i in input.indices {
            let g = gradient * input[i]
            denseSquares[i] += g * g
            dense[i] -= settings.denseRate * g / denseSquares[i].squareRoot()
        }
        for slot in slots {
            tableSquares[slot] += gradient * gradient
            table[slot] -= settings.rate * gradient / tableSquares[slot].squareRoot()
        }
    }
}

/// 1 / (1 + e⁻ˣ), x held within ± 15.
func squash(_ x: Float) -> Float { 1 / (1 + exp(-max(-15, min(15, x)))) }

/// ln of the odds of `right` of `count`, with `strength` more that are right with probability `prior`.
func smoothedLogit(_ right: Float, of count: Float, prior: Float, strength: Float) -> Float {
    log((right + strength * prior) / (count - right + strength * (1 - prior)))
}

/// A hash of one word: the finaliser of SplitMix64.  https://prng.di.unimi.it/splitmix64.c
func mixed(_ key: UInt64) -> UInt64 {
    var z = key &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}

/// A key of several small numbers, in their order.
func key(_ parts: Int...) -> UInt64 { parts.reduce(0) { mixed($0 ^ UInt64(bitPattern: Int64($1))) } }
