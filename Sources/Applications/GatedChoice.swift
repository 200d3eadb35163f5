import Foundation

/// A choice among alternatives, learned online: p(v) ∝ exp(Σₖ Σⱼ gₖ wₖⱼ fᵥⱼ), with features f of each alternative and gates g of the
/// situation, so that features weigh differently in different situations. Weights descend −ln p of what was chosen, by Adagrad.
/// Without gates it is the conditional logit of McFadden 1974.
public struct GatedChoice: Sendable {
    private let features: Int, gates: Int
    private let rate: Float
    /// By gate, then by feature.
    private var weights: [Float], squares: [Float]
    private var rows: [[Float]] = [], gateValues: [Float] = []
    private var probabilities: [Float] = []

    /// - Parameters:
    ///   - initial: the weights of the first gate, one for each feature; those of the others begin at 0.
    ///   - gates: the number of gates.
    ///   - rate: Adagrad's rate.
    public init(initial: [Float], gates: Int, rate: Float) {
        precondition(gates > 0, "\(gates) gates")
        features = initial.count
        self.gates = gates
        self.rate = rate
        weights = initial + Array(repeating: 0, count: (gates - 1) * initial.count)
        squares = Array(repeating: 1, count: weights.count)
    }

    /// The alternatives' probabilities.
    /// - Parameters:
    ///   - rows: features of each alternative, finite.
    ///   - gates: values of the gates.
    public mutating func predict(_ rows: [[Float]], gates values: [Float]) -> [Float] {
        precondition(values.count == gates && rows.allSatisfy { $0.count == features }, "\(values.count) gates")
        (self.rows, gateValues) = (rows, values)
        var gated = [Float](repeating: 0, count: features)
        for (gate, value) in values.enumerated() where value != 0 {
            for j in 0..<features { gated[j] += value * weights[gate * features + j] }
        }
        let scores = rows.map { row in zip(row, gated).reduce(Float(0)) { $0 + $1.0 * $1.1 } }
        let highest = scores.max() ?? 0
        let unnormalised = scores.map { exp($0 - highest) }
        let sum = unnormalised.reduce(0, +)
        probabilities = unnormalised.map { $0 / sum }
        return probabilities
    }

    /// Learns which of the alternatives predicted last was chosen.
    public mutating func learn(_ chosen: Int) {
        precondition(rows.indices.contains(chosen), "alternative \(chosen) of \(rows.count)")
        for j in 0..<features {
            let expected = zip(rows, probabilities).reduce(Float(0)) { $0 + $1.0[j] * $1.1 }
            for (gate, value) in gateValues.enumerated() where value != 0 {
                let index = gate * features + j, g = value * (expected - rows[chosen][j])
                squares[index] += g * g
                weights[index] -= rate * g / squares[index].squareRoot()
            }
        }
    }
}
