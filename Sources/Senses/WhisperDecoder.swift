import CVector
import Safetensors

/// Predicts the next token of a text from the sound and the tokens so far, one token at a time, with a cache of keys and values.
///
/// Its matrices stay in the half precision of their file, because a step takes as long as they take to be read.
struct WhisperDecoder: Sendable {
    /// The rows of sound whose keys and values are computed at once.
    private static let block = 48

    private let places: [Float]
    private let layers: [Layer]
    private let norm: Norm
    /// The embeddings of tokens, and what gives the scores.
    private let table: HalfMatrix

    /// - Parameter suppressed: tokens that are never the best.
    init(_ archive: TensorArchive, suppressed: [Int]) throws(SensesError) {
        places = try archive.numbers("decoder/position_encodings/encodings", [Whisper.positions, Whisper.C])
        var layers: [Layer] = []
        for index in 0..<Whisper.layers { layers.append(try Layer("decoder/layer_\(index)", of: archive)) }
        self.layers = layers
        norm = try Norm("decoder/layer_norm", of: archive)
        var bias = [Float](repeating: 0, count: Whisper.V)
        for token in suppressed { bias[token] = -.infinity }
        table = HalfMatrix(try archive.halves("decoder/embeddings/weight", [Whisper.V, Whisper.C]), bias: bias)
    }

    /// Keys and values of the sound (1500, C) for every layer.
    func heard(_ sound: NumberMemory, threads: Int) -> [WhisperCache] {
        let C = Whisper.C
        return layers.map { layer in
            let cache = WhisperCache(capacity: Whisper.places)
            takeTurns(Whisper.places, by: Self.block, among: threads) { _, block in
                let parts = NumberMemory(block.count * 2 * C)
                layer.sound.multiply(sound.pointer + block.lowerBound * C, rows: block.count, into: parts.pointer)
                for row in block {
                    let part = parts.pointer + (row - block.lowerBound) * 2 * C
                    cache.store(keys: part, values: part + C, at: row)
                }
            }
            return cache
        }
    }

    /// Appends a token, then gives the scores of the token after it, if they are wanted.
    func step(_ token: Int, _ text: inout WhisperText, threads: Int, scores: Bool = true) {
        let C = Whisper.C, x = text.x.pointer, normed = text.normed.pointer
        for (c, number) in table.row(token).enumerated() { x[c] = number + places[text.count * C + c] }
        for (index, layer) in layers.enumerated() { layer.forward(&text, index, threads: threads) }
        text.count += 1
        guard scores else { return }
        norm(x, rows: 1, into: normed)
        table.multiply(normed, into: text.scores.pointer, threads: threads)
    }

    private struct Layer: Sendable {
        let norm: Norm, joint: HalfMatrix, output: HalfMatrix
        let crossNorm: Norm, query: HalfMatrix, sound: PackedMatrix, crossOutput: HalfMatrix
        let lastNorm: Norm, wide: HalfMatrix, narrow: HalfMatrix

        init(_ name: String, of archive: TensorArchive) throws(SensesError) {
            let C = Whisper.C
            norm = try Norm("\(name)/self_attention/layer_norm", of: archive)
            joint = try archive.half("\(name)/self_attention/linear_0", 3 * C, C)
            output = try archive.half("\(name)/self_attention/linear_1", C, C)
            crossNorm = try Norm("\(name)/attention/layer_norm", of: archive)
            query = try archive.half("\(name)/attention/linear_0", C, C)
            sound = PackedMatrix(
                try archive.numbers("\(name)/attention/linear_1/weight", [2 * C, C]),
                bias: try archive.numbers("\(name)/attention/linear_1/bias", [2 * C]))
            crossOutput = try archive.half("\(name)/attention/linear_2", C, C)
            lastNorm = try Norm("\(name)/ffn/layer_norm", of: archive)
            wide = try archive.half("\(name)/ffn/linear_0", 4 * C, C)
            narrow = try archive.half("\(name)/ffn/linear_1", C, 4 * C)
        }

        func forward(_ text: inout WhisperText, _ index: Int, threads: Int) {
            let C = Whisper.C, x = text.x.pointer, normed = text.normed.pointer, parts = text.parts.pointer, mixed = text.mixed.pointer
            norm(x, rows: 1, into: normed)
            joint.multiply(normed, into: parts, threads: threads)
            text.own[index].store(keys: parts + C, values: parts + 2 * C, at: text.count)
            text.own[index].attend(parts, count: text.count + 1, into: mixed, text.weights, threads: 1)
            output.multiply(mixed, adding: x, into: x)
            crossNorm(x, rows: 1, into: normed)
            query.multiply(normed, into: parts)
            text.heard[index].attend(parts, count: Whisper.places, into: mixed, text.weights, threads: threads)
            crossOutput.multiply(mixed, adding: x, into: x)
            lastNorm(x, rows: 1, into: normed)
            wide.multiply(normed, into: parts, threads: threads)
            CVectorGelu(PackedMatrix.level, parts, 4 * C)
            narrow.multiply(parts, adding: x, into: x, threads: threads)
        }
    }
}

/// A text that is being decoded: its caches, and the memory of a step.
struct WhisperText {
    fileprivate let heard: [WhisperCache], own: [WhisperCache]
    fileprivate var count = 0
    fileprivate let x = NumberMemory(Whisper.C), normed = NumberMemory(Whisper.C), mixed = NumberMemory(Whisper.C)
    fileprivate let parts = NumberMemory(4 * Whisper.C)
    fileprivate let weights = NumberMemory(Whisper.H * WhisperCache.width(Whisper.places))
    /// The score of every token to be the next.
    let scores = NumberMemory(Whisper.V)

    init(_ heard: [WhisperCache]) {
        self.heard = heard
        own = heard.map { _ in WhisperCache(capacity: Whisper.longest + 2) }
    }

    /// The token with the highest score, the first of equal ones.
    var best: Int {
        let scores = scores.pointer
        var best = 0
        for token in 1..<Whisper.V where scores[token] > scores[best] { best = token }
        return best
    }
}

/// Keys and values of some positions, for every head.
final class WhisperCache: Sendable {
    private let capacity: Int
    /// (H, ⌈capacity / 16⌉, D, 16)
    private let keys: NumberMemory
    /// (H, capacity, D)
    private let values: NumberMemory

    init(capacity: Int) {
        self.capacity = capacity
        keys = NumberMemory(Whisper.C * Self.width(capacity))
        values = NumberMemory(Whisper.C * capacity)
    }

    /// Positions to the end of the last tile of keys.
    static func width(_ positions: Int) -> Int { (positions + 15) / 16 * 16 }

    /// Stores keys and values (C) of a position.
    func store(keys newKeys: UnsafePointer<Float>, values newValues: UnsafePointer<Float>, at position: Int) {
        let D = Whisper.D
        for head in 0..<Whisper.H {
            let tile = keys.pointer + (head * Self.width(capacity) + position / 16 * 16) * D + position % 16
            for d in 0..<D { tile[d * 16] = newKeys[head * D + d] }
            (values.pointer + (head * capacity + position) * D).update(from: newValues + head * D, count: D)
        }
    }

    /// Attention of a query (C) to the first positions, y (C); `weights` has room for all positions of every head.
    func attend(
        _ query: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>, _ weights: NumberMemory, threads: Int
    ) {
        let D = Whisper.D, level = PackedMatrix.level, width = Self.width(count)
        share(Whisper.H, among: threads) { heads in
            for head in heads {
                let weights = weights.pointer + head * width, keys = keys.pointer + head * Self.width(capacity) * D
                CVectorScores(level, query + head * D, keys, width / 16, D, 1 / Float(D).squareRoot(), weights)
                CVectorSoftmax(level, weights, count)
                CVectorMix(level, weights, values.pointer + head * capacity * D, count, D, y + head * D)
            }
        }
    }
}

extension TensorArchive {
    /// A matrix (N, K) and its bias.
    fileprivate func half(_ name: String, _ N: Int, _ K: Int) throws(SensesError) -> HalfMatrix {
        HalfMatrix(try halves("\(name)/weight", [N, K]), bias: try numbers("\(name)/bias", [N]))
    }
}
