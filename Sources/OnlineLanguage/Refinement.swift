/// Secondary symbol estimation: corrects a mixed probability by its observed accuracy in a small context. A table of probabilities
/// over the logistic domain is interpolated; the two entries next to the input are moved towards the bit that followed.
/// Source: M. Mahoney, Data Compression Explained, §4.3.3 (secondary symbol estimation), http://mattmahoney.net/dc/dce.html
struct Refinement {
    private static let knots = 33
    private static let limit: Float = 8

    private let probabilities: Memory<Float>
    private let rate: Float
    private var knot = 0
    private var share: Float = 0

    init(contexts: Int, rate: Float) {
        probabilities = Memory(contexts * Self.knots)
        self.rate = rate
        let knots = (0..<Self.knots).map { Logistic.squash(Float($0) / 2 - Self.limit) }
        for c in 0..<contexts { (probabilities.base + c * Self.knots).update(from: knots, count: Self.knots) }
    }

    /// - Parameter x: a prediction in the logistic domain.
    /// - Returns: a probability of a one.
    @inline(__always)
    mutating func refine(_ x: Float, context: Int) -> Float {
        let position = (max(-Self.limit, min(Self.limit - 0.001, x)) + Self.limit) * 2
        knot = context * Self.knots + Int(position)
        share = position - position.rounded(.down)
        return probabilities.base[knot] * (1 - share) + probabilities.base[knot + 1] * share
    }

    @inline(__always)
    mutating func learn(_ bit: Int) {
        let p = probabilities.base + knot
        p[0] += (Float(bit) - p[0]) * rate * (1 - share)
        p[1] += (Float(bit) - p[1]) * rate * share
    }
}
