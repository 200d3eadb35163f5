import CVector
import Safetensors

/// Turns Whisper's spectrum into features: two convolutions over time, then layers in which every place attends to all.
///
/// Rows go through a layer in blocks that stay in a core's cache; threads take blocks in turn.
struct WhisperEncoder: Sendable {
    /// The rows of a block.
    fileprivate static let block = 48

    private let first: PackedMatrix, second: PackedMatrix
    private let places: NumberMemory
    private let layers: [Layer]
    private let norm: Norm

    init(_ archive: TensorArchive) throws(SensesError) {
        first = try Self.convolution("encoder/conv1", MelSpectrum.bands, of: archive)
        second = try Self.convolution("encoder/conv2", Whisper.C, of: archive)
        places = NumberMemory(try archive.numbers("encoder/position_encodings/encodings", [Whisper.places, Whisper.C]))
        var layers: [Layer] = []
        for index in 0..<Whisper.layers { layers.append(try Layer("encoder/layer_\(index)", of: archive)) }
        self.layers = layers
        norm = try Norm("encoder/layer_norm", of: archive)
    }

    /// The weights (N, channels, 3) of three taps over time, by tap.
    private static func convolution(_ name: String, _ channels: Int, of archive: TensorArchive) throws(SensesError) -> PackedMatrix {
        let C = Whisper.C, weight = try archive.numbers("\(name)/weight", [C, channels, 3])
        let byTap = (0..<C).flatMap { n in (0..<3).flatMap { tap in (0..<channels).map { weight[(n * channels + $0) * 3 + tap] } } }
        return PackedMatrix(byTap, bias: try archive.numbers("\(name)/bias", [C]))
    }

    /// The spectrum with a row of zeros before it and a row after it, (2 · rows + 2, 80), to (rows, C).
    ///
    /// Three rows that follow one another are the taps of a convolution, so a product with rows that overlap is the convolution.
    func callAsFunction(_ spectrum: NumberMemory, rows: Int = Whisper.places, threads: Int) -> NumberMemory {
        precondition((1...Whisper.places).contains(rows) && spectrum.count >= (2 * rows + 2) * MelSpectrum.bands, "\(rows) rows of sound")
        let C = Whisper.C
        let filtered = NumberMemory((2 * rows + 2) * C), x = NumberMemory(rows * C)
        takeTurns(2 * rows, by: Self.block, among: threads) { _, block in
            let y = filtered.pointer + (block.lowerBound + 1) * C, channels = MelSpectrum.bands
            first.multiply(spectrum.pointer + block.lowerBound * channels, stride: channels, rows: block.count, into: y)
            CVectorGelu(PackedMatrix.level, y, block.count * C)
        }
        takeTurns(rows, by: Self.block, among: threads) { _, block in
            let y = x.pointer + block.lowerBound * C, places = places.pointer + block.lowerBound * C
            second.multiply(filtered.pointer + 2 * block.lowerBound * C, stride: 2 * C, rows: block.count, into: y)
            CVectorGelu(PackedMatrix.level, y, block.count * C)
            for i in 0..<block.count * C { y[i] += places[i] }
        }
        let attention = Attention(rows: rows), scratch = (0..<max(1, threads)).map { _ in Scratch(attention) }
        for layer in layers {
            takeTurns(rows, by: Self.block, among: threads) { layer.ask(x, $1, attention, scratch[$0]) }
            takeTurns(rows, by: Self.block, among: threads) { layer.answer(x, $1, attention, scratch[$0]) }
        }
        takeTurns(rows, by: Self.block, among: threads) { _, block in
            let y = x.pointer + block.lowerBound * C
            norm(y, rows: block.count, into: y)
        }
        return x
    }

    /// Queries (rows, C), and for every head keys and values as packed matrices.
    private final class Attention: Sendable {
        let rows: Int, panels: Int
        let queries: NumberMemory
        /// (H, panels, D, 16)
        let keys: NumberMemory
        /// (H, D / 16, rows, 16)
        let values: NumberMemory
        /// The bias of the products with keys, a number for each row, and with values, a number for each column.
        let zeros: NumberMemory

        init(rows: Int) {
            self.rows = rows
            panels = (rows + 15) / 16
            queries = NumberMemory(rows * Whisper.C)
            keys = NumberMemory(Whisper.H * panels * Whisper.D * 16)
            values = NumberMemory(rows * Whisper.C)
            zeros = NumberMemory(max(panels * 16, Whisper.D))
        }
    }

    /// What a thread computes in.
    private final class Scratch: Sendable {
        let normed = NumberMemory(block * Whisper.C), mixed = NumberMemory(block * Whisper.C)
        let joint = NumberMemory(block * 3 * Whisper.C)
        let scores: NumberMemory
        let wide = NumberMemory(block * 4 * Whisper.C)

        init(_ attention: Attention) { scores = NumberMemory(block * attention.panels * 16) }
    }

    private struct Layer: Sendable {
        let norm: Norm, joint: PackedMatrix, output: PackedMatrix
        let secondNorm: Norm, wide: PackedMatrix, narrow: PackedMatrix

        init(_ name: String, of archive: TensorArchive) throws(SensesError) {
            let C = Whisper.C
            norm = try Norm("\(name)/self_attention/layer_norm", of: archive)
            joint = try archive.packed("\(name)/self_attention/linear_0", 3 * C, C)
            output = try archive.packed("\(name)/self_attention/linear_1", C, C)
            secondNorm = try Norm("\(name)/ffn/layer_norm", of: archive)
            wide = try archive.packed("\(name)/ffn/linear_0", 4 * C, C)
            narrow = try archive.packed("\(name)/ffn/linear_1", C, 4 * C)
        }

        /// Queries, keys and values of some rows of x.
        func ask(_ x: NumberMemory, _ block: Range<Int>, _ attention: Attention, _ scratch: Scratch) {
            let (C, H, D, rows) = (Whisper.C, Whisper.H, Whisper.D, attention.rows), scale = 1 / Float(D).squareRoot()
            let parts = scratch.joint.pointer
            norm(x.pointer + block.lowerBound * C, rows: block.count, into: scratch.normed.pointer)
            joint.multiply(scratch.normed.pointer, rows: block.count, into: parts)
            for row in block {
                let part = parts + (row - block.lowerBound) * 3 * C
                for c in 0..<C { attention.queries.pointer[row * C + c] = part[c] * scale }
                for head in 0..<H {
                    let keys = attention.keys.pointer + (head * attention.panels + row / 16) * D * 16 + row % 16
                    for d in 0..<D { keys[d * 16] = part[C + head * D + d] }
                    for panel in 0..<D / 16 {
                        let values = attention.values.pointer + ((head * D / 16 + panel) * rows + row) * 16
                        for lane in 0..<16 { values[lane] = part[2 * C + head * D + panel * 16 + lane] }
                    }
                }
            }
        }

        /// Some rows of x after the layer.
        func answer(_ x: NumberMemory, _ block: Range<Int>, _ attention: Attention, _ scratch: Scratch) {
            let (C, H, D, rows) = (Whisper.C, Whisper.H, Whisper.D, attention.rows), level = PackedMatrix.level
            let x = x.pointer + block.lowerBound * C, stride = attention.panels * 16, zeros = attention.zeros.pointer
            for head in 0..<H {
                var keys = CVectorPackedMatrix(
                    panels: attention.keys.pointer + head * stride * D, bias: zeros, K: D, N: rows, clamps: 0, xStride: C, yStride: stride)
                let queries = attention.queries.pointer + block.lowerBound * C + head * D
                CVectorMultiplyPacked(level, &keys, queries, 0, block.count, 0, attention.panels, nil, scratch.scores.pointer)
                for row in 0..<block.count { CVectorSoftmax(level, scratch.scores.pointer + row * stride, rows) }
                var values = CVectorPackedMatrix(
                    panels: attention.values.pointer + head * D * rows, bias: zeros, K: rows, N: D, clamps: 0, xStride: stride, yStride: C)
                CVectorMultiplyPacked(
                    level, &values, scratch.scores.pointer, 0, block.count, 0, D / 16, nil, scratch.mixed.pointer + head * D)
            }
            output.multiply(scratch.mixed.pointer, rows: block.count, adding: x, into: x)
            secondNorm(x, rows: block.count, into: scratch.normed.pointer)
            wide.multiply(scratch.normed.pointer, rows: block.count, into: scratch.wide.pointer)
            CVectorGelu(level, scratch.wide.pointer, block.count * 4 * C)
            narrow.multiply(scratch.wide.pointer, rows: block.count, adding: x, into: x)
        }
    }
}

/// y = (x − mean) / √(variance + 10⁻⁵) · weight + bias, over rows of C.  https://arxiv.org/abs/1607.06450
struct Norm: Sendable {
    private let weight: NumberMemory, bias: NumberMemory

    init(_ name: String, of archive: TensorArchive) throws(SensesError) {
        weight = NumberMemory(try archive.numbers("\(name)/gamma", [Whisper.C]))
        bias = NumberMemory(try archive.numbers("\(name)/beta", [Whisper.C]))
    }

    func callAsFunction(_ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>) {
        CVectorNormalize(PackedMatrix.level, x, rows, Whisper.C, 1e-5, weight.pointer, bias.pointer, y)
    }
}

extension TensorArchive {
    /// A matrix (N, K) and its bias.
    fileprivate func packed(_ name: String, _ N: Int, _ K: Int) throws(SensesError) -> PackedMatrix {
        PackedMatrix(try numbers("\(name)/weight", [N, K]), bias: try numbers("\(name)/bias", [N]))
    }
}
