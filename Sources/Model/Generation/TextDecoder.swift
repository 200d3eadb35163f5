import Foundation
import Tensors

/// Incremental inference of a GPT-2 for several token streams: it caches their keys and values, so that one more token costs one
/// row of every layer. It computes the same as the recorded graph.
///
///     let decoder = TextDecoder(model, parameters, streams: 1)
///     decoder.read(prompt.dropLast(), stream: 0)
///     decoder.advance([prompt.last])
///     let logits = decoder.logits(of: 0)
///
/// A decoder has one owner: it is not `Sendable`.
public final class TextDecoder {
    /// The model's shape.
    public let configuration: GPT2Configuration
    /// The number of streams.
    public let streams: Int
    /// The number format of the weights.
    public let precision: DecodingPrecision
    /// The maximal number of prefix embeddings before a stream's tokens.
    public let prefixLimit: Int
    /// The number of tokens that each stream has read.
    public private(set) var lengths: [Int]
    /// The number of prefix embeddings of each stream.
    private var prefixLengths: [Int]

    private let team: Team
    private var weights: DecoderWeights
    /// The rows of the current pass.
    private var rows: [Row] = []
    /// Rows whose logits are computed, in the order of the logits.
    private var asked: [Int] = []
    private var logitsRow: [Int?]

    /// A token, or an embedding of the prefix, of one stream.
    private struct Row {
        let stream: Int
        /// The cache slot of its key and value, and the number of keys that it attends to.
        let slot, seen: Int
        /// A token and its position; nil for a row of the prefix.
        let input: (token: Int, place: Int)?
    }

    /// (layer, stream, head, slot, C / heads)
    private let keys, values: Memory<Float>
    /// (rows, C), (shares, rows, C), (rows, 3C), (rows, C), (rows, hidden)
    private let x, normed, projected, attended, inner: Memory<Float>
    /// (streams, C), (streams, V)
    private let last, allLogits: Memory<Float>
    /// (prefixLimit, C)
    private let prefix: Memory<Float>
    /// For each share: scores over positions, a quantised vector.
    private let scores: Memory<Float>
    private let quantized: Memory<Int16>

    /// The maximal number of rows in one pass.
    private static let rowLimit = 32
    private let inOrder: Bool

    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: its parameters, which must not change while the decoder uses them.
    ///   - streams: the number of streams.
    ///   - prefixLimit: the maximal number of prefix embeddings of a stream.
    ///   - precision: the number format of the weights.
    ///   - inOrder: with `float32`, stores a copy of the layers' weights in the order in which a token reads them, made for every
    ///     version of the parameters: faster if many tokens follow.
    ///   - team: the threads that compute.
    public init(
        _ model: GPT2, _ parameters: ParameterStore<Float>, streams: Int = 1, prefixLimit: Int = 0,
        precision: DecodingPrecision = .float32, inOrder: Bool = false, team: Team = .solo
    ) {
        precondition(streams >= 1 && prefixLimit >= 0, "\(streams) streams, a prefix of at most \(prefixLimit)")
        let c = model.configuration, hidden = c.hidden ?? 4 * c.width
        configuration = c
        self.streams = streams
        self.prefixLimit = prefixLimit
        self.precision = precision
        self.inOrder = inOrder
        self.team = team
        weights = DecoderWeights(c, parameters, precision, inOrder: inOrder)
        lengths = Array(repeating: 0, count: streams)
        prefixLengths = lengths
        logitsRow = Array(repeating: nil, count: streams)
        let limit = max(Self.rowLimit, streams, prefixLimit), slots = prefixLimit + c.positions
        let cache = c.layers * streams * slots * c.width
        keys = Memory(cache)
        values = Memory(cache)
        x = Memory(limit * c.width)
        normed = Memory(team.count * limit * c.width)
        projected = Memory(limit * 3 * c.width)
        attended = Memory(limit * c.width)
        inner = Memory(limit * hidden)
        last = Memory(streams * c.width)
        allLogits = Memory(streams * c.vocabularySize)
        prefix = Memory(prefixLimit * c.width)
        scores = Memory(team.count * slots)
        quantized = Memory(team.count * max(c.width, hidden))
    }

    /// Uses other parameters of the same model; all streams are reset.
    public func adopt(_ parameters: ParameterStore<Float>) {
        weights = DecoderWeights(configuration, parameters, precision, inOrder: inOrder)
        for stream in 0..<streams { forget(stream) }
    }

    /// Resets a stream: discards its tokens and prefix.
    public func forget(_ stream: Int) {
        lengths[stream] = 0
        prefixLengths[stream] = 0
        logitsRow[stream] = nil
    }

    /// Reads prefix embeddings (count, C) into a stream that has read nothing yet; they all attend to each other.
    public func read(prefix embeddings: [Float], stream: Int) {
        let C = configuration.width, count = embeddings.count / C
        precondition(
            count <= prefixLimit && embeddings.count == count * C, "\(embeddings.count) numbers for \(prefixLimit) embeddings of \(C)")
        precondition(lengths[stream] == 0 && prefixLengths[stream] == 0, "stream \(stream) has begun")
        guard count > 0 else { return }
        for (place, number) in embeddings.enumerated() { prefix[place] = number }
        prefixLengths[stream] = count
        rows = (0..<count).map { Row(stream: stream, slot: $0, seen: count, input: nil) }
        asked = []
        team.run(self)
    }

    /// Reads tokens into one stream without computing logits.
    public func read(_ tokens: some Collection<Int>, stream: Int) {
        var rest = tokens[...]
        while !rest.isEmpty {
            rows = rest.prefix(Self.rowLimit).map { next($0, stream) }
            asked = []
            team.run(self)
            rest = rest.dropFirst(Self.rowLimit)
        }
    }

    /// Reads one token into every stream that has one, and computes the logits of the next token there.
    ///
    /// - Parameter tokens: one for each stream; nil for a stream that does not advance.
    public func advance(_ tokens: [Int?]) {
        precondition(tokens.count == streams, "\(tokens.count) tokens for \(streams) streams")
        rows = []
        for (stream, token) in tokens.enumerated() {
            logitsRow[stream] = token == nil ? nil : rows.count
            if let token { rows.append(next(token, stream)) }
        }
        asked = Array(rows.indices)
        if !rows.isEmpty { team.run(self) }
    }

    /// The logits (V) of a stream that the last `advance` has advanced; the caller may change them.
    public func logits(of stream: Int) -> UnsafeMutableBufferPointer<Float> {
        guard let row = logitsRow[stream] else { preconditionFailure("stream \(stream) has not advanced") }
        let V = configuration.vocabularySize
        return UnsafeMutableBufferPointer(start: allLogits.pointer + row * V, count: V)
    }

    /// The trunk's output (C) for the last token of a stream that the last `advance` has advanced.
    public func hidden(of stream: Int) -> [Float] {
        guard let row = logitsRow[stream] else { preconditionFailure("stream \(stream) has not advanced") }
        let C = configuration.width
        return Array(UnsafeBufferPointer(start: last.pointer + row * C, count: C))
    }

    private func next(_ token: Int, _ stream: Int) -> Row {
        let place = lengths[stream]
        precondition((0..<configuration.vocabularySize).contains(token), "token \(token) of \(configuration.vocabularySize)")
        precondition(place < configuration.positions, "stream \(stream) has filled its \(configuration.positions) positions")
        lengths[stream] += 1
        let slot = prefixLengths[stream] + place
        return Row(stream: stream, slot: slot, seen: slot + 1, input: (token, place))
    }
}

// MARK: - One pass

extension TextDecoder: TeamWork {
    /// The operations of a layer, in order; each needs all rows of the one before.
    private enum LayerRound: Int, CaseIterable {
        case project, attend, join, expand, contract
    }

    /// The embedding, the operations of every layer, and, if logits are computed, the last norm and the head.
    public var rounds: Int { 1 + weights.layers.count * LayerRound.allCases.count + (asked.isEmpty ? 0 : 2) }

    public func work(_ share: Share, round: Int) {
        guard round > 0 else { return embed(share) }
        let (layer, place) = (round - 1).quotientAndRemainder(dividingBy: LayerRound.allCases.count)
        if layer < weights.layers.count {
            work(share, layer, LayerRound.allCases[place])
        } else if place == 0 {
            normalizeAsked(share)
        } else {
            apply(weights.head, last.pointer, rows: asked.count, into: allLogits, share)
        }
    }

    private func work(_ share: Share, _ index: Int, _ round: LayerRound) {
        let layer = weights.layers[index], rows = rows.count
        switch round {
        case .project: apply(layer.attention, normalized(layer.normBefore, share), rows: rows, into: projected, share)
        case .attend: attend(index, share)
        case .join: apply(layer.join, attended.pointer, rows: rows, into: x, adding: true, share)
        case .expand:
            apply(layer.expand, normalized(layer.normAfter, share), rows: rows, into: inner, share)
            let part = layer.expand.part(of: share)
            for row in 0..<rows { activate(inner.pointer + row * layer.expand.outputs, part) }
        case .contract: apply(layer.contract, inner.pointer, rows: rows, into: x, adding: true, share)
        }
    }

    /// All rows normalised, computed by each share for itself: cheaper than waiting for other shares.
    private func normalized(_ norm: DecoderWeights.Norm, _ share: Share) -> UnsafeMutablePointer<Float> {
        let own = normed.pointer + share.index * (normed.count / team.count)
        normalize(x.pointer, norm, into: own, rows: 0..<rows.count)
        return own
    }

    private func apply(
        _ projection: Projection, _ x: UnsafePointer<Float>, rows: Int, into y: Memory<Float>, adding: Bool = false, _ share: Share
    ) {
        let scratch = quantized.pointer + share.index * (quantized.count / team.count)
        projection.apply(x, rows: rows, into: y.pointer, adding: adding, share, scratch: scratch)
    }

    private func normalizeAsked(_ share: Share) {
        let C = configuration.width
        for row in share.of(asked.count) {
            (last.pointer + row * C).update(from: x.pointer + asked[row] * C, count: C)
        }
        normalize(last.pointer, weights.norm, into: last.pointer, rows: share.of(asked.count))
    }

    private func embed(_ share: Share) {
        let C = configuration.width
        for row in share.of(rows.count) {
            let x = x.pointer + row * C
            guard let input = rows[row].input else {
                x.update(from: prefix.pointer + rows[row].slot * C, count: C)
                continue
            }
            let token = weights.tokens + input.token * C, place = weights.places + input.place * C
            for i in 0..<C { x[i] = token[i] + place[i] }
        }
    }

    /// y = (x − mean) / √(variance + ε) · weight + bias
    private func normalize(_ x: UnsafePointer<Float>, _ norm: DecoderWeights.Norm, into y: UnsafeMutablePointer<Float>, rows: Range<Int>) {
        let C = configuration.width
        for row in rows {
            let x = x + row * C, y = y + row * C
            let mean =
                sum(C) {
                    SIMD16(load: x + $0)
                } one: {
                    x[$0]
                } / Float(C)
            let variance =
                sum(C) {
                    let d = SIMD16(load: x + $0) - mean
                    return d * d
                } one: {
                    (x[$0] - mean) * (x[$0] - mean)
                } / Float(C)
            let scale = 1 / (variance + Float(configuration.epsilon)).squareRoot()
            for i in 0..<C { y[i] = (x[i] - mean) * scale * norm.weight[i] + norm.bias[i] }
        }
    }

    /// Sixteen at a time, and the rest one by one.
    @inline(__always)
    private func sum(_ count: Int, sixteen: (Int) -> SIMD16<Float>, one: (Int) -> Float) -> Float {
        var sums = SIMD16<Float>.zero, place = 0
        while place + 16 <= count {
            sums += sixteen(place)
            place += 16
        }
        var rest: Float = 0
        for place in place..<count { rest += one(place) }
        return sums.total + rest
    }

    /// softmax(q · kᵀ / √d) · v over the keys that a row attends to. A share processes all rows of some heads, so it reads only
    /// keys that it has written itself.
    private func attend(_ layer: Int, _ share: Share) {
        let C = configuration.width, H = configuration.heads, T = prefixLimit + configuration.positions, D = C / H
        let scores = scores.pointer + share.index * T
        for head in share.of(H) {
            func start(_ row: Row) -> Int { ((layer * streams + row.stream) * H + head) * T * D }
            for (index, row) in rows.enumerated() {
                let q = projected.pointer + index * 3 * C + head * D, place = start(row) + row.slot * D
                (keys.pointer + place).update(from: q + C, count: D)
                (values.pointer + place).update(from: q + 2 * C, count: D)
            }
            for (index, row) in rows.enumerated() {
                let q = projected.pointer + index * 3 * C + head * D
                Float.multiply(
                    Matrix(q, stride: D), Matrix(keys.pointer + start(row), stride: D, transposed: true), into: scores, stride: T,
                    m: 1, n: row.seen, k: D, alpha: 1 / Float(D).squareRoot(), beta: 0)
                softmax(scores, count: row.seen)
                Float.multiply(
                    Matrix(scores, stride: T), Matrix(values.pointer + start(row), stride: D),
                    into: attended.pointer + index * C + head * D, stride: C, m: 1, n: D, k: row.seen, alpha: 1, beta: 0)
            }
        }
    }

    private func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        var largest = x[0], sum: Float = 0
        for i in 1..<max(1, count) { largest = max(largest, x[i]) }
        for i in 0..<count {
            x[i] = exp(x[i] - largest)
            sum += x[i]
        }
        for i in 0..<count { x[i] /= sum }
    }

    private func activate(_ h: UnsafeMutablePointer<Float>, _ part: Range<Int>) {
        switch configuration.activation {
        case .gelu:
            var place = part.lowerBound
            while place + 16 <= part.upperBound {
                let x = SIMD16(load: h + place)
                (x / (1 + SIMD16.exp(-x * (1.595_769_1 + 0.071_354_816 * x * x)))).store(to: h + place)
                place += 16
            }
            for i in place..<part.upperBound { h[i] = h[i] / (1 + exp(-h[i] * (1.595_769_1 + 0.071_354_816 * h[i] * h[i]))) }
        case .relu: for i in part { h[i] = max(h[i], 0) }
        case .tanh: for i in part { h[i] = tanh(h[i]) }
        case .sigmoid: for i in part { h[i] = 1 / (1 + exp(-h[i])) }
        case .silu: for i in part { h[i] /= 1 + exp(-h[i]) }
        case .exponential: for i in part { h[i] = exp(h[i]) }
        case .logarithm: for i in part { h[i] = log(h[i]) }
        case .square: for i in part { h[i] *= h[i] }
        case .softplus: for i in part { h[i] = max(h[i], 0) + log(1 + exp(-abs(h[i]))) }
        }
    }
}
