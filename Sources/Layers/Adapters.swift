import Tensors

/// Low-rank adapters (LoRA) of chosen projections: y = x · W + b + α/r · (x · Aᵀ) · Bᵀ, where only A (r, inputs) and
/// B (outputs, r) are learned.  https://arxiv.org/abs/2106.09685
///
/// Parameters have the names and shapes of the Python package PEFT: `NAME.lora_A.weight`, `NAME.lora_B.weight`.
public struct Adapters: Sendable, Equatable {
    public let rank: Int
    public let alpha: Double
    /// Suffixes of the names of the adapted projections, PEFT's `target_modules`: `c_attn` matches one in every block, `mlp.c_proj` the
    /// second projection of every MLP.
    public let projections: [String]
    /// Ranks of single projections, by name; the others have `rank`.
    public var ranks: [String: Int] = [:]
    /// Values of α of single projections, by name; the others have `alpha`.
    public var alphas: [String: Double] = [:]
    /// Whether the factor is α/√r instead of α/r.  https://arxiv.org/abs/2312.03732
    public var isRankStabilized = false

    /// - Parameters:
    ///   - rank: r, positive.
    ///   - alpha: α.
    ///   - projections: suffixes of the names of the adapted projections.
    public init(rank: Int, alpha: Double, projections: [String] = ["c_attn"]) {
        precondition(rank > 0, "adapters of rank \(rank)")
        self.rank = rank
        self.alpha = alpha
        self.projections = projections
    }

    public func rank(of projection: String) -> Int { ranks[projection] ?? rank }

    /// The factor of a projection's adapter: α/r, or α/√r if rank-stabilised.
    public func scale(of projection: String) -> Double {
        let rank = Double(rank(of: projection))
        return (alphas[projection] ?? alpha) / (isRankStabilized ? rank.squareRoot() : rank)
    }

    /// Whether the projection of this name has an adapter.
    public func adapts(_ projection: String) -> Bool {
        projections.contains { projection == $0 || projection.hasSuffix(".\($0)") }
    }

    /// Whether a parameter belongs to an adapter; selects the learned parameters for `Graph(parameters:learning:)`.
    public static func contains(_ parameter: Parameter) -> Bool { parameter.name.contains(".lora_") }

    /// Initialises all adapters of a store so that they do not change the output: A is normal with deviation 1/√(3 · inputs), which is
    /// that of PEFT's uniform distribution, and B is zero.
    public func initialize<S: Scalar>(in store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for parameter in store.layout.parameters where Self.contains(parameter) {
            if parameter.name.hasSuffix(".lora_A.weight") {
                store[parameter.name].fillNormal(deviation: 1 / Double(3 * parameter.shape[1]).squareRoot(), using: &generator)
            } else {
                store[parameter.name].fill(0)
            }
        }
    }

    /// Adds adapters, given in a separate store, to the weights of a model that has no adapters.
    /// - Parameter inputsFirst: whether projections are stored as (inputs, outputs).
    public func merge<S: Scalar>(_ adapted: ParameterStore<S>, into store: ParameterStore<S>, inputsFirst: Bool = true) {
        add(1, in: store, adapted, inputsFirst)
    }

    /// Subtracts adapters that were merged from a separate store; restores the weights up to rounding.
    public func unmerge<S: Scalar>(_ adapted: ParameterStore<S>, from store: ParameterStore<S>, inputsFirst: Bool = true) {
        add(-1, in: store, adapted, inputsFirst)
    }

    /// Merges every adapter into the weight that it adapts, and sets its B to zero, so that the output stays the same.
    public func merge<S: Scalar>(in store: ParameterStore<S>, inputsFirst: Bool = true) {
        add(1, in: store, store, inputsFirst)
        for parameter in store.layout.parameters where parameter.name.hasSuffix(".lora_B.weight") { store[parameter.name].fill(0) }
    }

    /// Reverts a merge: subtracts the adapters of `adapted` from the weights of `store`, up to rounding, and copies them into `store`.
    public func unmerge<S: Scalar>(_ adapted: ParameterStore<S>, in store: ParameterStore<S>, inputsFirst: Bool = true) {
        add(-1, in: store, adapted, inputsFirst)
        for parameter in adapted.layout.parameters where Self.contains(parameter) {
            _ = store[parameter.name].update(fromContentsOf: adapted[parameter.name])
        }
    }

    /// W += sign · α/r · Aᵀ · Bᵀ, or its transpose.
    private func add<S: Scalar>(_ sign: Double, in store: ParameterStore<S>, _ adapted: ParameterStore<S>, _ inputsFirst: Bool) {
        for parameter in adapted.layout.parameters where parameter.name.hasSuffix(".lora_A.weight") {
            let name = String(parameter.name.dropLast(".lora_A.weight".count)), inputs = parameter.shape[1], rank = rank(of: name)
            let weight = store["\(name).weight"], outputs = weight.count / inputs
            let A = adapted[parameter.name].baseAddress!, B = adapted["\(name).lora_B.weight"].baseAddress!
            let factor = S(sign * scale(of: name))
            if inputsFirst {
                S.multiply(
                    Matrix(A, stride: inputs, transposed: true), Matrix(B, stride: rank, transposed: true), into: weight.baseAddress!,
                    stride: outputs, m: inputs, n: outputs, k: rank, alpha: factor, beta: S(1))
            } else {
                S.multiply(
                    Matrix(B, stride: rank), Matrix(A, stride: inputs), into: weight.baseAddress!, stride: inputs, m: outputs, n: inputs,
                    k: rank, alpha: factor, beta: S(1))
            }
        }
    }
}
