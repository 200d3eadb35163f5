/// Ridge regression learned one example at a time by recursive least squares.
///
///     gain = A⁻¹x / (1 + xᵀA⁻¹x);  weights ← weights + gain (y − weightsᵀx);  A⁻¹ ← A⁻¹ − gain (A⁻¹x)ᵀ
///
/// Equal to A = λI + Σ x xᵀ, weights = A⁻¹ Σ y x.  https://doi.org/10.1214/aoms/1177729893 (Sherman and Morrison)
public struct RidgeRegression: Sendable, Equatable {
    /// A⁻¹, (d, d), where d is the number of inputs plus one for a constant 1.
    public internal(set) var inverse: [Double]
    /// (d); the last is the intercept.
    public internal(set) var weights: [Double]
    private let d: Int

    /// - Parameters:
    ///   - inputs: the number of inputs, without the constant.
    ///   - ridge: λ, positive.
    public init(inputs: Int, ridge: Double) {
        d = inputs + 1
        inverse = Array(repeating: 0, count: d * d)
        weights = Array(repeating: 0, count: d)
        for i in 0..<d { inverse[i * d + i] = 1 / ridge }
    }

    public func prediction(_ x: [Float]) -> Double { product(weights, extended(x)) }

    /// Adds an example.
    /// - Returns: false, without a change, if a number would not be finite in single precision, in which it is published.
    @discardableResult
    public mutating func learn(_ x: [Float], _ y: Double) -> Bool {
        var next = self
        next.add(x, y)
        guard next.isFinite else { return false }
        self = next
        return true
    }

    var isFinite: Bool { inverse.allSatisfy { Float($0).isFinite } && weights.allSatisfy { Float($0).isFinite } }

    private mutating func add(_ x: [Float], _ y: Double) {
        let x = extended(x)
        let direction = (0..<d).map { i in (0..<d).reduce(0) { $0 + inverse[i * d + $1] * x[$1] } }
        let scale = 1 / (1 + product(x, direction)), error = y - product(weights, x)
        for i in 0..<d {
            for j in 0..<d { inverse[i * d + j] -= scale * direction[i] * direction[j] }
            weights[i] += scale * direction[i] * error
        }
    }

    private func extended(_ x: [Float]) -> [Double] {
        precondition(x.count == d - 1, "\(x.count) numbers for \(d - 1) inputs")
        return x.map(Double.init) + [1]
    }

    private func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}
