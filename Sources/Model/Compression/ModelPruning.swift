import GGUF
import Layers
import Tensors

/// Removes units of the MLPs and heads of queries, as many from every block, and lets what is left take over their part.
///
/// A unit's weight is the mean square of what it adds to the residual stream: the norm of its column of the last projection, times its
/// activation in a calibration text. The columns that stay become those of least squares, W_S + W_P · H_PS · H_SS⁻¹ with the second moments
/// H of the projection's input, where P is removed and S stays.  https://arxiv.org/abs/2301.00774, for whole columns
public struct ModelPruning: Sendable, Equatable {
    /// The part of the units, and of the query heads of each group, that is removed; numbers of heads are rounded down.
    public var fraction: Double
    /// Tokens of the calibration text that are read together.
    public var window = 512
    /// What is added to the diagonal of the second moments, as a part of its mean.
    public var damping = 0.01

    /// - Parameter fraction: above 0 and below 1.
    public init(fraction: Double) {
        precondition(fraction > 0 && fraction < 1, "a fraction of \(fraction)")
        self.fraction = fraction
    }

    /// Makes a model of fewer units and heads.
    ///
    /// - Parameters:
    ///   - model: a model in single precision, without adapters.
    ///   - tokens: the calibration text; without one, units are chosen by the norms of their weights alone, and nothing takes over.
    ///   - team: the threads that compute.
    ///   - progress: called with the part of the work that is done, from 0 to 1.
    /// - Throws: `Refusal`.
    public func prune(
        _ model: TrunkModel, calibration tokens: [Int] = [], team: Team = .solo, progress: (Double) -> Void = { _ in }
    ) throws(Refusal) -> TrunkModel {
        guard let trunk = model.trunk as? any PrunableTrunk else { throw .unsupported(model.trunk.summary) }
        let plan = trunk.decoding, units = keptUnits(plan.hidden), perGroup = trunk.prunesHeads ? keptHeads(plan) : plan.heads / plan.groups
        let smaller = trunk.pruned(hidden: units, heads: perGroup * plan.groups)
        let store = ParameterStore<Float>(smaller.layout)
        var pruned: Set<String> = []
        let perPart = max(
            1, Self.momentsLimit / (4 * (plan.hidden * plan.hidden + plan.heads * plan.headWidth * plan.heads * plan.headWidth)))
        for first in stride(from: 0, to: plan.blocks.count, by: perPart) {
            let part = first..<min(first + perPart, plan.blocks.count)
            let moments = tokens.isEmpty ? nil : self.moments(of: part, plan, model, tokens, team)
            for index in part {
                let cut = Cut(from: model.parameters, to: store, damping: damping), block = plan.blocks[index]
                let columns = cut.choose(block.down, unit: 1, from: 1, keeping: units, moments?[.contraction(index)])
                pruned.formUnion(cut.outputs(columns, of: [block.up] + (block.gate.map { [$0] } ?? [])))
                pruned.formUnion(cut.inputs(columns, of: block.down, moments?[.contraction(index)]))
                if perGroup * plan.groups < plan.heads {
                    let kept = cut.choose(
                        block.output, unit: plan.headWidth, from: plan.groups, keeping: perGroup, moments?[.output(index)])
                    pruned.formUnion(cut.outputs(kept, of: [block.query]))
                    pruned.formUnion(cut.inputs(kept, of: block.output, moments?[.output(index)]))
                }
                progress(Double(index + 1) / Double(plan.blocks.count))
            }
        }
        for parameter in store.layout.parameters where !pruned.contains(parameter.name) {
            _ = store[parameter.name].update(fromContentsOf: model.parameters[parameter.name])
        }
        return TrunkModel(trunk: smaller, parameters: store)
    }

    /// Why a model cannot be pruned.
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case unsupported(String)

        public var description: String {
            switch self {
            case .unsupported(let summary): "a model of this kind cannot be pruned: \(summary)"
            }
        }
    }

    /// The largest memory for second moments, in bytes, unless one block needs more.
    private static let momentsLimit = 512 << 20

    /// Whole blocks of 32, as matrices are stored, where there are such.
    private func keptUnits(_ hidden: Int) -> Int {
        let kept = Double(hidden) * (1 - fraction)
        guard hidden.isMultiple(of: BlockGrid.count) else { return max(1, Int(kept.rounded())) }
        return max(1, Int((kept / Double(BlockGrid.count)).rounded())) * BlockGrid.count
    }

    private func keptHeads(_ plan: DecodingPlan) -> Int {
        let perGroup = plan.heads / plan.groups
        return max(1, perGroup - Int(Double(perGroup) * fraction))
    }

    private func moments(
        of part: Range<Int>, _ plan: DecodingPlan, _ model: TrunkModel, _ tokens: [Int], _ team: Team
    ) -> SecondMoments {
        var widths: [ProjectionInputPlace: Int] = [:]
        for block in part {
            (widths[.contraction(block)], widths[.output(block)]) = (plan.hidden, plan.heads * plan.headWidth)
        }
        let moments = SecondMoments(widths)
        moments.observe(tokens, window: window, plan: plan.first(blocks: part.upperBound), model.parameters, team: team)
        return moments
    }
}

/// A trunk whose blocks can be narrower.
protocol PrunableTrunk: Trunk {
    /// Whether it can have fewer heads of the same width.
    var prunesHeads: Bool { get }
    /// The same model with so many units in every MLP, and so many heads of queries.
    func pruned(hidden: Int, heads: Int) -> Self
}

extension Llama: PrunableTrunk {
    var prunesHeads: Bool { true }

    func pruned(hidden: Int, heads: Int) -> Llama {
        var c = configuration
        (c.headWidth, c.hidden, c.heads) = (c.attention.headWidth, hidden, heads)
        if c.width == heads * (c.headWidth ?? 0) { c.headWidth = nil }
        return Llama(c, adapters: adapters)
    }
}

extension GPT2: PrunableTrunk {
    /// Its heads divide the width.
    var prunesHeads: Bool { false }

    func pruned(hidden: Int, heads: Int) -> GPT2 {
        var c = configuration
        c.hidden = hidden
        return GPT2(c, adapters: adapters)
    }
}

/// The selection of a block's rows and columns.
private struct Cut {
    let from: ParameterStore<Float>, to: ParameterStore<Float>
    let damping: Double

    init(from: ParameterStore<Float>, to: ParameterStore<Float>, damping: Double) {
        (self.from, self.to, self.damping) = (from, to, damping)
    }

    /// A number of a projection's matrix.
    private func weight(_ p: DecodingPlan.Projection, _ W: UnsafeMutableBufferPointer<Float>, _ output: Int, _ input: Int) -> Float {
        p.isInputsFirst ? W[input * p.allOutputs + output] : W[output * p.inputs + input]
    }

    /// The inputs of a projection that stay, in order: of each of `groups` equal ranges the `count` units of `unit` inputs that matter
    /// most.
    func choose(_ p: DecodingPlan.Projection, unit: Int, from groups: Int, keeping count: Int, _ H: Memory<Float>?) -> [Int] {
        let W = from["\(p.name).weight"], K = p.inputs
        var squares = [Double](repeating: 0, count: K)
        for output in 0..<p.allOutputs {
            for input in 0..<K { squares[input] += Double(weight(p, W, output, input) * weight(p, W, output, input)) }
        }
        let scores = squares.enumerated().map { input, square in square * Double(H?[input * K + input] ?? 1) }
        let units = K / unit, perGroup = units / groups
        let sums = (0..<units).map { n in scores[n * unit..<(n + 1) * unit].reduce(0, +) }
        return (0..<groups).flatMap { group -> [Int] in
            let members = group * perGroup..<(group + 1) * perGroup
            let kept = members.sorted { (sums[$1], $0) < (sums[$0], $1) }.prefix(count).sorted()
            return kept.flatMap { $0 * unit..<($0 + 1) * unit }
        }
    }

    /// Copies the outputs that stay; gives the names of the parameters that are set.
    func outputs(_ kept: [Int], of projections: [DecodingPlan.Projection]) -> [String] {
        var names: [String] = []
        for p in projections {
            let W = from["\(p.name).weight"], target = to["\(p.name).weight"]
            for (row, output) in kept.enumerated() {
                for input in 0..<p.inputs {
                    target[p.isInputsFirst ? input * kept.count + row : row * p.inputs + input] = weight(p, W, output, input)
                }
            }
            names.append("\(p.name).weight")
            guard p.hasBias else { continue }
            for (row, output) in kept.enumerated() { to["\(p.name).bias"][row] = from["\(p.name).bias"][output] }
            names.append("\(p.name).bias")
        }
        return names
    }

    /// Copies the inputs that stay, which take over the part of the others if their second moments are known.
    func inputs(_ kept: [Int], of p: DecodingPlan.Projection, _ H: Memory<Float>?) -> [String] {
        let name = "\(p.name).weight", W = from[name], target = to[name], N = p.allOutputs, S = kept.count
        let removed = Array(Set(0..<p.inputs).subtracting(kept)).sorted()
        let own = Memory<Float>(N * S), lost = Memory<Float>(N * max(1, removed.count))
        for output in 0..<N {
            for (column, input) in kept.enumerated() { own[output * S + column] = weight(p, W, output, input) }
            for (column, input) in removed.enumerated() { lost[output * removed.count + column] = weight(p, W, output, input) }
        }
        if let H, !removed.isEmpty {
            let shares = leastSquares(H, p.inputs, removed, from: kept, damping: damping)
            Float.multiply(
                Matrix(lost.pointer, stride: removed.count), Matrix(shares.pointer, stride: S), into: own.pointer, stride: S, m: N, n: S,
                k: removed.count, alpha: 1, beta: 1)
        }
        for output in 0..<N {
            for column in 0..<S { target[p.isInputsFirst ? column * N + output : output * S + column] = own[output * S + column] }
        }
        return [name]
    }
}

/// H_PS · H_SS⁻¹ (P, S): the best linear prediction of inputs P from inputs S.
///
/// - Parameters:
///   - H: second moments (K, K), of which the upper triangle is read.
///   - K: the number of inputs.
///   - P, S: different inputs.
///   - damping: what is added to the diagonal of H_SS, as a part of its mean.
func leastSquares(_ H: Memory<Float>, _ K: Int, _ P: [Int], from S: [Int], damping: Double) -> Memory<Float> {
    func moment(_ a: Int, _ b: Int) -> Double { Double(H[min(a, b) * K + max(a, b)]) }
    let n = S.count, m = P.count, factor = Memory<Double>(n * n), A = factor.pointer
    let mean = S.reduce(0) { $0 + moment($1, $1) } / Double(n)
    for i in 0..<n {
        for j in i..<n { A[i * n + j] = moment(S[i], S[j]) }
        A[i * n + i] += mean > 0 ? damping * mean : 1
    }
    ErrorFeedback.factorize(A, n)
    // H_SS = R · Rᵀ: first Y · Rᵀ = H_PS from the last column, then X · R = Y from the first; columns of X and Y are rows here.
    let solution = Memory<Double>(n * m), X = solution.pointer
    for i in 0..<n {
        for j in 0..<m { X[i * m + j] = moment(P[j], S[i]) }
    }
    func subtract(_ number: Double, _ other: Int, from own: Int) {
        let (y, x) = (X + own * m, X + other * m)
        for i in 0..<m { y[i] -= number * x[i] }
    }
    for j in stride(from: n - 1, through: 0, by: -1) {
        for k in j + 1..<max(n, j + 1) { subtract(A[j * n + k], k, from: j) }
        for i in 0..<m { X[j * m + i] /= A[j * n + j] }
    }
    for j in 0..<n {
        for k in 0..<j { subtract(A[k * n + j], k, from: j) }
        for i in 0..<m { X[j * m + i] /= A[j * n + j] }
    }
    let result = Memory<Float>(m * n)
    for i in 0..<n {
        for j in 0..<m { result[j * n + i] = Float(X[i * m + j]) }
    }
    return result
}
