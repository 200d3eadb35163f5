import Tensors

/// The number format of a decoder's weights.
public enum DecodingPrecision: String, Sendable, CaseIterable {
    /// The parameters themselves, in single precision.
    case float32
    /// Eight bits for each weight: a quarter of the memory to read for every token.
    case int8
    /// Frozen matrices as they are stored, for instance in four bits; parameters in single precision.
    case stored
}

/// A trunk's weights in the form that its decoder uses. It retains the parameter store.
struct DecoderWeights {
    struct Norm {
        let weight: UnsafePointer<Float>
        /// Nil for a root mean square norm.
        let bias: UnsafePointer<Float>?
    }

    struct Block {
        let normBefore, normAfter: Norm
        /// Queries, keys and values side by side, each a head's width · heads wide.
        let attention: [Projection]
        let output: Projection
        let gate: Projection?
        let up, down: Projection
    }

    let tokens: Table
    /// The table of learned positions.
    let places: Table?
    let blocks: [Block]
    let norm: Norm
    let head: Projection
    private let store: ParameterStore<Float>

    init(
        _ plan: DecodingPlan, _ store: ParameterStore<Float>, _ precision: DecodingPrecision, inOrder: Bool
    ) {
        let frozen = store.frozen
        func pointer(_ name: String) -> UnsafePointer<Float> { UnsafePointer(store[name].baseAddress!) }
        func norm(_ name: String) -> Norm {
            let bias: UnsafePointer<Float>? = if case .layer = plan.norm { pointer("\(name).bias") } else { nil }
            return Norm(weight: pointer("\(name).weight"), bias: bias)
        }
        func projection(_ part: DecodingPlan.Projection) -> Projection {
            let name = "\(part.name).weight"
            let form = Projection.Form(inputs: part.inputs, outputs: part.outputs, precision: precision, isInOrder: inOrder)
            let bias = part.hasBias ? pointer("\(part.name).bias") + part.outputs.lowerBound : nil
            let adapter = part.adapterScale.map { scale in
                let low = store["\(part.name).lora_A.weight"], high = store["\(part.name).lora_B.weight"], rank = low.count / part.inputs
                return Adapter(
                    rank: rank, low: UnsafePointer(low.baseAddress!),
                    high: UnsafePointer(high.baseAddress!) + part.outputs.lowerBound * rank, scale: Float(scale))
            }
            if let matrix = frozen[name] { return Projection(matrix, form, bias: bias, adapter: adapter) }
            let stride = part.isInputsFirst ? part.allOutputs : part.inputs
            let first = part.isInputsFirst ? part.outputs.lowerBound : part.outputs.lowerBound * part.inputs
            return Projection(
                Matrix(pointer(name) + first, stride: stride, transposed: !part.isInputsFirst), form, bias: bias, adapter: adapter)
        }
        func table(_ name: String) -> Table { frozen[name].map(Table.frozen) ?? .float(pointer(name)) }
        tokens = table(plan.tokens)
        if case .learned(let name) = plan.positions { places = table(name) } else { places = nil }
        blocks = plan.blocks.map { block in
            Block(
                normBefore: norm(block.normBefore), normAfter: norm(block.normAfter),
                attention: [block.query, block.key, block.value].reduce(into: []) { $0.joinOrAppend($1) }.map(projection),
                output: projection(block.output), gate: block.gate.map(projection), up: projection(block.up),
                down: projection(block.down))
        }
        self.norm = norm(plan.lastNorm)
        let form = Projection.Form(inputs: plan.width, outputs: 0..<plan.vocabularySize, precision: precision, isInOrder: inOrder)
        if let matrix = frozen[plan.head] {
            head = Projection(matrix, form, bias: nil, adapter: nil)
        } else {
            head = Projection(Matrix(pointer(plan.head), stride: plan.width, transposed: true), form, bias: nil, adapter: nil)
        }
        self.store = store
    }

    /// A table of embeddings.
    enum Table {
        case float(UnsafePointer<Float>)
        case frozen(any FrozenMatrix)

        /// Writes a row of `width` numbers.
        func copy(_ row: Int, width: Int, into y: UnsafeMutablePointer<Float>) {
            switch self {
            case .float(let table): y.update(from: table + row * width, count: width)
            case .frozen(let table): table.decode(rows: row..<row + 1, into: y)
            }
        }

        /// Adds a row of `width` numbers.
        func add(_ row: Int, width: Int, to y: UnsafeMutablePointer<Float>) {
            switch self {
            case .float(let table): for i in 0..<width { y[i] += table[row * width + i] }
            case .frozen(let table):
                withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { numbers in
                    guard let start = numbers.baseAddress else { return }
                    table.decode(rows: row..<row + 1, into: start)
                    for i in 0..<width { y[i] += start[i] }
                }
            }
        }
    }
}

extension [DecodingPlan.Projection] {
    /// Appends outputs of a fused matrix to those before them, so that one product computes both.
    fileprivate mutating func joinOrAppend(_ part: DecodingPlan.Projection) {
        guard let last, last.name == part.name, last.outputs.upperBound == part.outputs.lowerBound else { return append(part) }
        self[count - 1].outputs = last.outputs.lowerBound..<part.outputs.upperBound
    }
}
