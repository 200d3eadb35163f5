import Tensors

/// Compares the backward pass of a composition with exact derivatives of its forward pass.
///
/// With y = f(w), a random cotangent u and a random direction v: ⟨backward(u), v⟩ = ⟨u, f′(w) v⟩, where the right side is the
/// tangent of a forward pass over dual numbers. No ε: in Double they agree to rounding.
public struct GradientCheck: Sendable {
    /// |⟨backward(u), v⟩ − ⟨u, tangent⟩|, relative to Σ |terms|.
    public let gradientError: Double
    /// |⟨w₁, H w₂⟩ − ⟨w₂, H w₁⟩| of h = ⟨u, f⟩, relative to Σ |terms|: backward run over dual numbers is a Hessian-vector product.
    public let hessianAsymmetry: Double
    /// Largest difference of a Float gradient from the Double one, relative to the largest number, alone and in a team of three.
    public let floatError: Double
    /// Whether a second replay, and one with every other parameter frozen, give the same gradient to the bit, and an
    /// accumulating one twice that.
    public let isRepeatable: Bool

    public init(_ composition: some Composition, seed: UInt64 = 7) {
        var generator = SplitMix64(state: seed)
        let layout = ParameterLayout(composition.parameters, frozen: composition.frozen)
        let draw = { (count: Int) in (0..<count).map { _ in Double.random(in: -1...1, using: &generator) } }
        let weights = draw(layout.count), v = draw(layout.count), w = draw(layout.count)

        let double = Probe(composition, layout, weights.map { Double($0) })
        let u = draw(double.y.count)
        let gradient = double.gradient(u)

        let alongV = Probe(composition, layout, zip(weights, v).map { Dual(Double($0), tangent: $1) })
        let hessianV = alongV.gradient(u.map { Dual(Double($0), tangent: 0) }).map(\.tangent)
        gradientError = relativeDifference(zip(gradient, v).map { $0 * $1 }, zip(u, alongV.y.values).map { $0 * $1.tangent })

        let alongW = Probe(composition, layout, zip(weights, w).map { Dual(Double($0), tangent: $1) })
        let hessianW = alongW.gradient(u.map { Dual(Double($0), tangent: 0) }).map(\.tangent)
        hessianAsymmetry = relativeDifference(zip(hessianV, w).map { $0 * $1 }, zip(hessianW, v).map { $0 * $1 })

        let largest = gradient.map { abs($0) }.max() ?? 0
        floatError = [Team.solo, Team(count: 3)].map { team in
            let float = Probe(composition, layout, weights.map { Float($0) }, team: team).gradient(u.map { Float($0) })
            return zip(float, gradient).map { abs(Double($0) - $1) }.max()! / Swift.max(largest, 1e-30)
        }.max()!

        let everyOther = Set(layout.parameters.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element.name))
        let partly = Probe(composition, layout, weights, learning: { everyOther.contains($0.name) })
        let learned = zip(layout.parameters, layout.ranges).filter { everyOther.contains($0.0.name) }.flatMap { gradient[$0.1] }
        isRepeatable =
            double.gradient(u) == gradient && partly.gradient(u) == learned
            && zip(double.gradient(u, accumulating: true), gradient).allSatisfy { abs($0 - 2 * $1) <= 1e-12 * largest }
    }
}

/// A composition recorded over one scalar, with weights set.
private final class Probe<S: Scalar> {
    let graph: Graph<S>
    let y: Tensor<S>

    init(
        _ composition: some Composition, _ layout: ParameterLayout, _ weights: [S], team: Team = .solo,
        learning: (Parameter) -> Bool = { _ in true }
    ) {
        let store = ParameterStore<S>(layout)
        _ = store.values.update(fromContentsOf: weights)
        graph = Graph(parameters: store, learning: learning, team: team)
        y = composition.record(in: graph)
    }

    func gradient(_ u: [S], accumulating: Bool = false) -> [S] {
        graph.forward()
        _ = y.gradient.update(fromContentsOf: u)
        graph.backward(seeded: [y], accumulating: accumulating)
        return Array(graph.gradients.values)
    }
}

private func relativeDifference(_ a: [Double], _ b: [Double]) -> Double {
    let scale = Swift.max(a.map { abs($0) }.reduce(0, +), b.map { abs($0) }.reduce(0, +), 1e-30)
    return abs(a.reduce(0, +) - b.reduce(0, +)) / scale
}
