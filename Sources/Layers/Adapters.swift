import Tensors

/// Low-rank adapters beside chosen projections: y = x · W + b + α/r · (x · Aᵀ) · Bᵀ, where only A (r, inputs) and B (outputs, r) learn.
///
/// https://arxiv.org/abs/2106.09685. Named and shaped as PEFT saves them: `NAME.lora_A.weight`, `NAME.lora_B.weight`.
public struct Adapters: Sendable, Equatable {
    public let rank: Int
    public let alpha: Double
    /// Ends of projections' names: `c_attn` is every block's, `mlp.c_proj` the second of every MLP. PEFT's `target_modules`.
    public let projections: [String]
    /// Ranks and alphas of single projections, by their names, where they are not those of all.
    public var ranks: [String: Int] = [:]
    public var alphas: [String: Double] = [:]
    /// α/√r instead of α/r.  https://arxiv.org/abs/2312.03732
    public var isRankStabilized = false

    public init(rank: Int, alpha: Double, projections: [String] = ["c_attn"]) {
        precondition(rank > 0, "adapters of rank \(rank)")
        self.rank = rank
        self.alpha = alpha
        self.projections = projections
    }

    public func rank(of projection: String) -> Int { ranks[projection] ?? rank }

    /// By what a projection's product is multiplied: α/r.
    public func scale(of projection: String) -> Double {
        let rank = Double(rank(of: projection))
        return (alphas[projection] ?? alpha) / (isRankStabilized ? rank.squareRoot() : rank)
    }

    public func adapts(_ projection: String) -> Bool {
        projections.contains { projection == $0 || projection.hasSuffix(".\($0)") }
    }

    /// Whether a parameter belongs to an adapter: for `Graph(parameters:learning:)`.
    public static func contains(_ parameter: Parameter) -> Bool { parameter.name.contains(".lora_") }

    /// Adapters that change nothing yet: A normal with deviation 1/√(3 · inputs), that of PEFT's uniform start, and B zero.
    public func begin<S: Scalar>(in store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for parameter in store.layout.parameters where Self.contains(parameter) {
            if parameter.name.hasSuffix(".lora_A.weight") {
                store[parameter.name].fillNormal(deviation: 1 / Double(3 * parameter.shape[1]).squareRoot(), using: &generator)
            } else {
                store[parameter.name].fill(0)
            }
        }
    }

    /// Adds adapters that stand in a store of their own to the weights of a model without any.
    public func merge<S: Scalar>(_ adapted: ParameterStore<S>, into store: ParameterStore<S>) { add(1, in: store, adapted) }

    /// Takes them off again, which restores the weights up to rounding.
    public func unmerge<S: Scalar>(_ adapted: ParameterStore<S>, from store: ParameterStore<S>) { add(-1, in: store, adapted) }

    /// Adds every adapter to the weight beside it, which then does the work of both; B becomes zero.
    public func merge<S: Scalar>(in store: ParameterStore<S>) {
        add(1, in: store, store)
        for parameter in store.layout.parameters where parameter.name.hasSuffix(".lora_B.weight") { store[parameter.name].fill(0) }
    }

    /// Takes the adapters of `adapted` out of the weights of `store` that they were merged into, to rounding, and puts them back beside.
    public func unmerge<S: Scalar>(_ adapted: ParameterStore<S>, in store: ParameterStore<S>) {
        add(-1, in: store, adapted)
        for parameter in adapted.layout.parameters where Self.contains(parameter) {
            _ = store[parameter.name].update(fromContentsOf: adapted[parameter.name])
        }
    }

    /// W += sign · α/r · Aᵀ · Bᵀ
    private func add<S: Scalar>(_ sign: Double, in store: ParameterStore<S>, _ adapted: ParameterStore<S>) {
        for parameter in adapted.layout.parameters where parameter.name.hasSuffix(".lora_A.weight") {
            let name = String(parameter.name.dropLast(".lora_A.weight".count)), inputs = parameter.shape[1]
            let weight = store["\(name).weight"], outputs = weight.count / inputs
            S.multiply(
                Matrix(adapted[parameter.name].baseAddress!, stride: inputs, transposed: true),
                Matrix(adapted["\(name).lora_B.weight"].baseAddress!, stride: rank(of: name), transposed: true),
                into: weight.baseAddress!, stride: outputs, m: inputs, n: outputs, k: rank(of: name), alpha: S(sign * scale(of: name)),
                beta: S(1))
        }
    }
}
