import Model
import Tensors

/// The sum of gradients of units of moments, each clipped to a norm.
///
///     Σ gᵤ · min(1, C / ‖gᵤ‖), gᵤ = the mean over u's moments of d loss / d parameters
///
/// One gradient at a time is in memory beside the sum, so none is copied, and every model that has a gradient has a clipped one, whatever
/// its parameters are used for. Each unit costs some passes over all parameters beside its own forward and backward pass. Norms without
/// gradients (ghost norms, https://arxiv.org/abs/2110.05679) would save these for a second backward pass of the batch, and want a formula for
/// every operator that has parameters and for every parameter that is used twice.
/// Source: Abadi and others, Deep Learning with Differential Privacy, https://arxiv.org/abs/1607.00133
struct ClippedSum {
    /// In the order of the graph's gradients, which are of the parameters that learn.
    private(set) var values: [Double]
    private let graph: MultimodalGraph<Float>
    /// C
    private let clip: Double

    /// Below 1 by more than the rounding of a norm and of a product in double precision.
    private static let rounding = 1 - 1e-9

    /// - Parameters:
    ///   - graph: of one row.
    ///   - clip: C.
    init(_ graph: MultimodalGraph<Float>, clip: Double) {
        precondition(graph.batch == 1, "gradients of single moments in a graph of \(graph.batch)")
        (self.graph, self.clip) = (graph, clip)
        values = Array(repeating: 0, count: graph.gradients.values.count)
    }

    mutating func clear() { for index in values.indices { values[index] = 0 } }

    /// Adds the clipped gradient of a unit; nothing where it is not finite.
    /// - Parameters:
    ///   - moments: of the unit.
    ///   - put: sets a moment as the graph's only row.
    /// - Returns: ‖gᵤ‖, before clipping.
    @discardableResult
    mutating func add(_ moments: [MomentInput], put: (MomentInput) -> Void) -> Double {
        guard !moments.isEmpty else { return 0 }
        for (place, moment) in moments.enumerated() {
            put(moment)
            graph.forward()
            graph.backward(accumulating: place > 0)
        }
        let gradient = UnsafeBufferPointer(graph.gradients.values), count = Double(moments.count)
        let norm = squares(gradient).squareRoot() / count
        guard norm.isFinite, norm > 0 else { return norm }
        let scale = (norm > clip ? clip / norm * Self.rounding : 1) / count
        values.withUnsafeMutableBufferPointer { sum in
            for index in 0..<sum.count { sum[index] += scale * Double(gradient[index]) }
        }
        return norm
    }

    /// Writes the sum, to which noise has been added, as the graph's gradients, divided by a number.
    func write(dividedBy expected: Double) {
        let gradient = graph.gradients.values
        for index in values.indices { gradient[index] = Float(values[index] / expected) }
    }

    /// Adds noise to every number.
    mutating func add(_ noise: (inout [Double]) -> Void) { noise(&values) }
}

/// Σ x², in double precision, in eight lanes.
private func squares(_ x: UnsafeBufferPointer<Float>) -> Double {
    var lanes = SIMD8<Double>.zero
    let whole = x.count & ~7
    for place in stride(from: 0, to: whole, by: 8) {
        let eight = SIMD8<Double>(UnsafeRawPointer(x.baseAddress! + place).loadUnaligned(as: SIMD8<Float>.self))
        lanes += eight * eight
    }
    return x[whole...].reduce(lanes.sum()) { $0 + Double($1) * Double($1) }
}
