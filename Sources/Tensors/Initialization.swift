/// Where learning starts from: values drawn from a generator that the caller seeds.
extension UnsafeMutableBufferPointer where Element: Scalar {
    public func fill(_ number: Double) { update(repeating: Element(number)) }

    /// Independent normal numbers, by the polar method.  https://en.wikipedia.org/wiki/Marsaglia_polar_method
    public func fillNormal(mean: Double = 0, deviation: Double, using generator: inout some RandomNumberGenerator) {
        for i in indices { self[i] = Element(mean + deviation * Double.normal(using: &generator)) }
    }
}

extension Double {
    static func normal(using generator: inout some RandomNumberGenerator) -> Double {
        while true {
            let u = Double.random(in: -1...1, using: &generator), v = Double.random(in: -1...1, using: &generator)
            let square = u * u + v * v
            if square > 0, square < 1 { return u * (-2 * Double.log(square) / square).squareRoot() }
        }
    }
}
