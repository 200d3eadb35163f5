import Foundation
import GGUF
import Layers
import Tensors

/// Stores the matrices of a trunk in few bits: groups of 32 weights share a scale, and errors of rounding are passed on to weights that are
/// not rounded yet, by the second moments of what each projection reads in a calibration text.
///
///     let compression = ModelCompression(projections: .q4_0, tables: .q8_0)
///     let small = compression.compress(model, calibration: tokens, team: team)
///     try small.save(to: "small.gguf", origin: path)
public struct ModelCompression: Sendable, Equatable {
    /// The format of projections, and of the tables of tokens and of the head.
    public var projections: GGUFType, tables: GGUFType
    /// Tokens of the calibration text that are read together.
    public var window = 512
    /// What is added to the diagonal of the second moments, as a part of its mean.
    public var damping = 0.01
    /// The number of parts of the trunk, of which each is calibrated on what the parts before it compute after their compression.
    public var parts = 2
    /// The largest memory for second moments, in bytes; there are more parts if it needs them.
    public var momentsLimit = 512 << 20

    /// The formats that can be chosen.
    public static let types: [GGUFType] = [.q8_0, .q5_0, .q4_0]

    /// - Parameters:
    ///   - projections: one of `types`, for all matrices within blocks.
    ///   - tables: one of `types`, for the tables of tokens and of the head.
    public init(projections: GGUFType, tables: GGUFType) {
        precondition(Self.types.contains(projections) && Self.types.contains(tables), "\(projections) and \(tables)")
        self.projections = projections
        self.tables = tables
    }

    /// Compresses a model. Matrices whose rows are not whole blocks stay as they are.
    ///
    /// - Parameters:
    ///   - model: a model in single precision, without adapters.
    ///   - tokens: the calibration text; without one every weight is rounded to nearest.
    ///   - team: the threads that compute.
    ///   - progress: called with the part of the work that is done, from 0 to 1.
    public func compress(
        _ model: TrunkModel, calibration tokens: [Int] = [], team: Team = .solo, progress: (Double) -> Void = { _ in }
    ) -> CompressedModel {
        let plan = model.trunk.decoding
        var work = Work(model: model, plan: plan, compression: self, team: team)
        let perPart = blocksPerPart(plan), count = plan.blocks.count
        for first in stride(from: 0, to: count, by: perPart) {
            let part = first..<min(first + perPart, count)
            let moments = tokens.isEmpty ? nil : work.moments(of: part, tokens)
            for block in part {
                work.compress(block: block, moments)
                progress(Double(block + 1) / Double(count + 1))
            }
            if part.upperBound == count { work.compressTables(moments) }
        }
        progress(1)
        return CompressedModel(trunk: model.trunk, original: model.parameters, matrices: work.done, projections: projections)
    }

    private func blocksPerPart(_ plan: DecodingPlan) -> Int {
        let widths = [plan.width, plan.heads * plan.headWidth, plan.width, plan.hidden]
        let bytes = widths.reduce(0) { $0 + $1 * $1 } * MemoryLayout<Float>.stride
        let wanted = (plan.blocks.count + max(1, parts) - 1) / max(1, parts)
        return max(1, min(wanted, momentsLimit / bytes))
    }
}

/// A trunk with matrices in blocks.
public struct CompressedModel {
    public let trunk: any Trunk
    let original: ParameterStore<Float>
    let matrices: [String: CompressedMatrix]
    let projections: GGUFType

    /// Writes a GGUF file.
    /// - Parameters:
    ///   - path: the file.
    ///   - origin: the directory or the GGUF file that the model was opened from: its tokenizer is copied.
    /// - Throws: as `Trunk.save`.
    public func save(to path: String, origin: String, progress: @escaping (Int) -> Void = { _ in }) throws {
        var writer = ModelWriter(trunk: trunk, origin: origin, progress: progress) { parameter, numbers in
            _ = numbers.update(fromContentsOf: original[parameter.name])
        }
        writer.matrices = matrices
        try writer.writeGGUF(path, .float16, fileType: projections.fileType)
    }
}

extension GGUFType {
    /// `general.file_type` of a file whose matrices are mostly of this type.
    fileprivate var fileType: Int {
        switch self {
        case .q4_0: 2
        case .q5_0: 8
        default: 7
        }
    }
}

/// A compression under way.
private struct Work {
    let model: TrunkModel
    let plan: DecodingPlan
    let compression: ModelCompression
    let team: Team
    private(set) var done: [String: CompressedMatrix] = [:]

    init(model: TrunkModel, plan: DecodingPlan, compression: ModelCompression, team: Team) {
        (self.model, self.plan, self.compression, self.team) = (model, plan, compression, team)
    }

    /// The second moments of the inputs of some blocks, and of the head after the last block.
    func moments(of part: Range<Int>, _ tokens: [Int]) -> SecondMoments {
        var widths: [ProjectionInputPlace: Int] = [:]
        for block in part { for (input, projections) in inputs(of: block) { widths[input] = projections[0].inputs } }
        if part.upperBound == plan.blocks.count { widths[.head] = plan.width }
        let moments = SecondMoments(widths)
        let store = ParameterStore<Float>(ParameterLayout(model.trunk.parameters, frozen: done))
        for parameter in store.layout.parameters {
            _ = store[parameter.name].update(fromContentsOf: model.parameters[parameter.name])
        }
        moments.observe(tokens, window: compression.window, plan: plan.first(blocks: part.upperBound), store, team: team)
        return moments
    }

    /// The different matrices that read each input of a block.
    private func inputs(of index: Int) -> [(ProjectionInputPlace, [DecodingPlan.Projection])] {
        let block = plan.blocks[index]
        var attention: [DecodingPlan.Projection] = []
        for part in [block.query, block.key, block.value] where !attention.contains(where: { $0.name == part.name }) {
            attention.append(part)
        }
        return [
            (.attention(index), attention), (.output(index), [block.output]),
            (.expansion(index), [block.up] + (block.gate.map { [$0] } ?? [])), (.contraction(index), [block.down]),
        ]
    }

    mutating func compress(block: Int, _ moments: SecondMoments?) {
        for (input, projections) in inputs(of: block) {
            let K = projections[0].inputs
            guard K.isMultiple(of: BlockGrid.count), let grid = BlockGrid(compression.projections) else { continue }
            let feedback = moments?[input].map { ErrorFeedback($0, columns: K, damping: compression.damping) }
            for projection in projections {
                let name = "\(projection.name).weight", weights = model.parameters[name]
                let matrix = projection.isInputsFirst ? transposed(weights, K, projection.allOutputs) : nil
                done[name] = MatrixRounding.round(
                    matrix.map { UnsafePointer($0.pointer) } ?? UnsafePointer(weights.baseAddress!), rows: projection.allOutputs,
                    columns: K, to: grid, feedback: feedback, team: team)
            }
        }
    }

    mutating func compressTables(_ moments: SecondMoments?) {
        let C = plan.width
        guard C.isMultiple(of: BlockGrid.count), let grid = BlockGrid(compression.tables) else { return }
        let feedback = moments?[.head].map { ErrorFeedback($0, columns: C, damping: compression.damping) }
        for name in Set([plan.tokens, plan.head]) {
            let table = model.parameters[name]
            done[name] = MatrixRounding.round(
                UnsafePointer(table.baseAddress!), rows: table.count / C, columns: C, to: grid,
                feedback: name == plan.head ? feedback : nil, team: team)
        }
    }

    /// (columns, rows) of a matrix (rows, columns).
    private func transposed(_ x: UnsafeMutableBufferPointer<Float>, _ rows: Int, _ columns: Int) -> Memory<Float> {
        let y = Memory<Float>(rows * columns)
        for row in 0..<rows {
            for column in 0..<columns { y[column * rows + row] = x[row * columns + column] }
        }
        return y
    }
}
