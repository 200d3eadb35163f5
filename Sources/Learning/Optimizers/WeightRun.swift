import CVector

/// Consecutive weights of one parameter, with their gradients and moments.
public struct WeightRun {
    let parameter: Int
    /// The number of weights; a multiple of 16 when a rule is called.
    public let count: Int
    /// Whether weight decay applies.
    public let decays: Bool
    /// The weights.
    public let weights: UnsafeMutablePointer<Float>
    /// Their gradients.
    public let gradients: UnsafePointer<Float>
    /// Their moments; nil if the rule has fewer.
    public let first, second: UnsafeMutablePointer<Float>?

    /// Calls the body with runs whose lengths are multiples of 16: most of this run, then a copy of the rest padded with zeros.
    @inline(__always)
    func inSixteens(_ body: (WeightRun) -> Void) {
        let whole = count / 16 * 16
        if whole > 0 {
            body(
                WeightRun(
                    parameter: parameter, count: whole, decays: decays, weights: weights, gradients: gradients, first: first, second: second
                ))
        }
        if whole < count { copyingRest(from: whole, body) }
    }

    private func copyingRest(from start: Int, _ body: (WeightRun) -> Void) {
        let rest = count - start
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 * 16) { copy in
            copy.initialize(repeating: 0)
            let base = copy.baseAddress!
            base.update(from: weights + start, count: rest)
            (base + 16).update(from: gradients + start, count: rest)
            if let first { (base + 32).update(from: first + start, count: rest) }
            if let second { (base + 48).update(from: second + start, count: rest) }
            body(
                WeightRun(
                    parameter: parameter, count: 16, decays: decays, weights: base, gradients: UnsafePointer(base + 16),
                    first: first.map { _ in base + 32 }, second: second.map { _ in base + 48 }))
            (weights + start).update(from: base, count: rest)
            if let first { (first + start).update(from: base + 32, count: rest) }
            if let second { (second + start).update(from: base + 48, count: rest) }
        }
    }
}

extension WeightRun {
    static let hasAVX2 = CVectorHasAVX2() != 0

    /// Resets a weight and its moments to 0 if one of them is not finite.
    func resetWhereNotFinite() {
        guard !(isFinite(weights) && isFinite(first) && isFinite(second)) else { return }
        for place in 0..<count where !(weights[place].isFinite && first?[place].isFinite ?? true && second?[place].isFinite ?? true) {
            weights[place] = 0
            first?[place] = 0
            second?[place] = 0
        }
    }

    /// The run is still in the cache, so that this check costs little.
    private func isFinite(_ x: UnsafeMutablePointer<Float>?) -> Bool {
        guard let x else { return true }
        #if arch(x86_64)
            if Self.hasAVX2 { return CVectorIsFiniteAVX2(x, count) != 0 }
        #endif
        var zeros = SIMD16<Float>.zero, rest: Float = 0
        let whole = count / 16 * 16
        for place in stride(from: 0, to: whole, by: 16) { zeros += load(x, place) * 0 }
        for place in whole..<count { rest += x[place] * 0 }
        return total(zeros) + Double(rest) == 0
    }
}
