/// Linear regression that begins at given weights and is pulled back to them: w = (λ-weighted Σ x xᵀ + ridge · 1)⁻¹ (λ-weighted Σ x y +
/// ridge · initial), updated with each example by the formula of Sherman and Morrison (recursive least squares).
public struct RidgeRegression: Sendable {
    /// The inverse of the matrix above, row by row, and the weights.
    private var inverse: [Double]
    private(set) var weights: [Double]
    private let count: Int
    private let ridge: Double, forgetting: Double
    private var sinceRenewal = 0

    /// - Parameters:
    ///   - initial: the weights without any example.
    ///   - ridge: how strongly they hold.
    ///   - forgetting: the weight of an example falls by this factor with each later one; 1 forgets nothing.
    public init(initial: [Double], ridge: Double, forgetting: Double = 1) {
        precondition(ridge > 0 && forgetting > 0 && forgetting <= 1, "ridge \(ridge), forgetting \(forgetting)")
        count = initial.count
        weights = initial
        self.ridge = ridge
        self.forgetting = forgetting
        inverse = Array(repeating: 0, count: count * count)
        for i in 0..<count { inverse[i * count + i] = 1 / ridge }
    }

    public func predict(_ x: [Double]) -> Double { zip(x, weights).reduce(0) { $0 + $1.0 * $1.1 } }

    /// Learns one example; one that is not finite is passed over.
    public mutating func learn(_ x: [Double], _ y: Double) {
        precondition(x.count == count, "\(x.count) inputs for \(count) weights")
        guard y.isFinite, x.allSatisfy(\.isFinite) else { return }
        var gain = [Double](repeating: 0, count: count)
        for i in 0..<count {
            for j in 0..<count { gain[i] += inverse[i * count + j] * x[j] }
        }
        let scale = forgetting + zip(x, gain).reduce(0) { $0 + $1.0 * $1.1 }
        guard scale.isFinite, scale > 0 else { return }
        let error = y - predict(x)
        for i in 0..<count { weights[i] += gain[i] * error / scale }
        for i in 0..<count {
            // Both halves are computed alike, so that the matrix stays symmetric; and no entry of the diagonal grows beyond its start,
            // which forgetting alone would let it.
            for j in 0..<count { inverse[i * count + j] = (inverse[i * count + j] - gain[i] * gain[j] / scale) / forgetting }
        }
        for i in 0..<count where inverse[i * count + i] > 1 / ridge { shrink(i) }
    }

    /// Scales a row and a column so that the diagonal entry is 1 / ridge.
    private mutating func shrink(_ i: Int) {
        let factor = (1 / ridge / inverse[i * count + i]).squareRoot()
        for j in 0..<count {
            inverse[i * count + j] *= factor
            inverse[j * count + i] *= factor
        }
    }
}
