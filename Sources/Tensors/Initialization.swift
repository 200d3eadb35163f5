/// Initial values of parameters: constants, or random numbers from a generator that the caller seeds.
extension UnsafeMutableBufferPointer where Element: Scalar {
    /// Sets every number to a constant.
    public func fill(_ number: Double) { update(repeating: Element(number)) }

    /// Sets every number to an independent normal sample. One word of the generator seeds a fast stream of its own for the buffer,
    /// so that a large model is initialised in seconds with any generator.
    public func fillNormal(mean: Double = 0, deviation: Double, using generator: inout some RandomNumberGenerator) {
        fillNormal(mean, deviation, NormalStream(seed: generator.next()))
    }

    @specialized(where Element == Float)
    private func fillNormal(_ mean: Double, _ deviation: Double, _ stream: NormalStream) {
        var stream = stream
        for i in indices { self[i] = Element(mean + deviation * stream.next()) }
    }
}

/// Normal numbers by the polar method, from SplitMix64.
///
/// https://en.wikipedia.org/wiki/Marsaglia_polar_method, https://prng.di.unimi.it/splitmix64.c
private struct NormalStream {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> Double {
        while true {
            let u = uniform(), v = uniform(), square = u * u + v * v
            if square > 0, square < 1 { return u * (-2 * Double.log(square) / square).squareRoot() }
        }
    }

    /// Between −1 and 1.
    private mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double(Int64(bitPattern: z ^ (z >> 31)) >> 11) * 0x1p-52
    }
}
