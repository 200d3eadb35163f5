import Glibc

/// Rotary position embedding: the pair (i, i + D/2) of every head at position p is rotated by the angle p · frequency i.
/// https://arxiv.org/abs/2104.09864
///
/// x, y (B·T, H·D); cosine, sine (T, D/2), of the angles, times the embedding's scale
/// yᵢ = xᵢ cos − xⱼ sin, yⱼ = xⱼ cos + xᵢ sin with j = i + D/2; dx is dy rotated by the negative angle.
struct RotateOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let cosine: Storage<S>, sine: Storage<S>
    let T: Int, H: Int, D: Int
    /// The rows of each packed sequence, whose positions are counted from its first; nil if all sequences have T rows.
    let packing: PackedSequences?

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        eachRow(share.of(y.rows, grain: 8)) { row, position in
            turn(x.values + row * H * D, into: y.storage.values + row * H * D, at: position, direction: S(1), adding: false)
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let dy = y.storage.gradient!
        eachRow(share.of(y.rows, grain: 8)) { row, position in
            turn(dy + row * H * D, into: dx + row * H * D, at: position, direction: S(-1), adding: x.accumulates)
        }
    }

    /// Calls `body` with every row of a range and its position in its sequence.
    @inline(__always)
    private func eachRow(_ rows: Range<Int>, _ body: (_ row: Int, _ position: Int) -> Void) {
        guard let packing else {
            for row in rows { body(row, row % T) }
            return
        }
        for b in 0..<packing.count {
            let start = packing.start(b)
            for row in max(rows.lowerBound, start)..<max(rows.lowerBound, start, min(rows.upperBound, start + packing.length(b))) {
                body(row, row - start)
            }
        }
    }

    /// All heads of one row.
    @inline(__always)
    private func turn(_ x: UnsafeMutablePointer<S>, into y: UnsafeMutablePointer<S>, at position: Int, direction: S, adding: Bool) {
        let half = D / 2, cosine = self.cosine.values + position * half, sine = self.sine.values + position * half
        let direction = S.Vector(repeating: direction)
        for h in 0..<H {
            let low = x + h * D, high = low + half, lowTurned = y + h * D, highTurned = lowTurned + half
            S.sweep(0..<half) { i, count in
                let a = S.load(low, i, count), b = S.load(high, i, count)
                let c = S.load(cosine, i, count), s = S.load(sine, i, count) * direction
                S.store(a * c - b * s, to: lowTurned, i, count, adding: adding)
                S.store(b * c + a * s, to: highTurned, i, count, adding: adding)
            }
        }
    }
}

/// The cosines and sines of every position's angles, computed once for all layers of a model.
public struct Rotation<S: Scalar> {
    /// (T, D/2)
    let cosine: Tensor<S>, sine: Tensor<S>
}

extension Graph {
    /// The angles of `count` positions.
    /// - Parameters:
    ///   - frequencies: D/2 angular frequencies, in radians per position.
    ///   - count: T, the rows of a sequence.
    ///   - firstPosition: the position of each sequence's first row.
    ///   - scale: a factor of the rotated values; 1 except for some extensions to longer contexts.
    public func rotation(frequencies: [Double], positions count: Int, firstPosition: Int = 0, scale: Double = 1) -> Rotation<S> {
        let rotation = Rotation(cosine: input([count, frequencies.count]), sine: input([count, frequencies.count]))
        if isPlan { return rotation }
        for t in 0..<count {
            for (i, frequency) in frequencies.enumerated() {
                let angle = Double(firstPosition + t) * frequency
                rotation.cosine.values[t * frequencies.count + i] = S(scale * cos(angle))
                rotation.sine.values[t * frequencies.count + i] = S(scale * sin(angle))
            }
        }
        return rotation
    }

    /// Rotates every head by the angles of its row's position. x (batch·T, heads·D), D even, for the T positions of `rotation`; or the
    /// rows of packed sequences of at most T rows.
    public func rotate(_ x: Tensor<S>, by rotation: Rotation<S>, heads: Int, packing: PackedSequences? = nil) -> Tensor<S> {
        let T = rotation.cosine.rows, D = 2 * rotation.cosine.columns
        precondition(x.columns == heads * D, "\(x.shape): \(heads) heads of \(D)")
        precondition(packing.map { $0.longest <= T } ?? x.rows.isMultiple(of: T), "\(x.shape) at \(T) positions")
        precondition(x.extent === packing?.rows, "rows vary along another extent than that of the packed sequences")
        let x = Input(x)
        return record(
            RotateOperator(
                x: x, y: output(x.tensor.shape, of: [x], along: packing?.rows), cosine: rotation.cosine.storage,
                sine: rotation.sine.storage, T: T, H: heads, D: D, packing: packing))
    }
}
