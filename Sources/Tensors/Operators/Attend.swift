/// Multi-head attention: O = softmax(α Q Kᵀ + mask) V for every sequence and head, α = 1/√D.  https://arxiv.org/abs/1706.03762
///
/// Q, O (B·Tq, H·D); K, V (B·Tk, G·D), each possibly some columns of a wider tensor; P (B, H, Tq, Tk), kept for backward.
/// H/G heads of queries in a row share one of keys and values: grouped-query attention, https://arxiv.org/abs/2305.13245.
/// dV = Σ heads of Pᵀ dO, dP = dO Vᵀ, dS = P ⊙ (dP − rowsum(P ⊙ dP)), dQ = α dS K, dK = α Σ heads of dSᵀ Q
struct AttendOperator<S: Scalar>: Operator {
    let q: Heads<S>, k: Heads<S>, v: Heads<S>
    /// (B, Tk): 1 where a key may be seen, 0 where it is absent.
    let keyMask: Tensor<S>?
    let y: Tensor<S>
    let P: Storage<S>
    /// (shares, Tq, Tk)
    let dP: Storage<S>
    let B: Int, H: Int, G: Int, longestQuery: Int, longestKey: Int, D: Int
    let visibility: Visibility
    /// The number of first keys of every sequence that need no gradient.
    let fixedKeys: Int
    /// The rows of each packed sequence; nil if all sequences have the same length.
    let packing: PackedSequences?

    /// Heads in columns of the same tensor share one input, and write different columns of its gradient.
    var inputs: [Input<S>] {
        var inputs = [q.input]
        for other in [k.input, v.input] where !inputs.contains(where: { $0 === other }) { inputs.append(other) }
        return inputs
    }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let alpha = S(1 / Double(D).squareRoot()), C = H * D
        for unit in share.of(B * H) {
            let (b, h) = unit.quotientAndRemainder(dividingBy: H)
            let (queries, keys) = rows(b)
            guard !queries.isEmpty else { continue }
            let Tq = queries.count, Tk = keys.count
            let P = self.P.values + unit * longestQuery * longestKey, g = h / (H / G)
            S.multiply(
                q.matrix(queries, h, D), k.matrix(keys, g, D, transposed: true), into: P, stride: Tk, m: Tq, n: Tk, k: D,
                alpha: alpha, beta: .zero)
            let mask = keyMask.map { $0.storage.values + b * longestKey }
            for i in 0..<Tq { softmax(P + i * Tk, Tk, seeing: visibility.keys(seenBy: i, of: Tq, keys: Tk), mask: mask) }
            S.multiply(
                Matrix(P, stride: Tk), v.matrix(keys, g, D), into: y.storage.values + queries.lowerBound * C + h * D, stride: C,
                m: Tq, n: D, k: Tk, alpha: S(1), beta: .zero)
        }
    }

    /// The rows of sequence b.
    @inline(__always)
    private func rows(_ b: Int) -> (queries: Range<Int>, keys: Range<Int>) {
        guard let packing else {
            return (b * longestQuery..<(b + 1) * longestQuery, b * longestKey..<(b + 1) * longestKey)
        }
        let start = packing.start(b), rows = start..<start + packing.length(b)
        return (rows, rows)
    }

    /// Scores to probabilities, in place; all zero where nothing may be seen.
    @inline(__always)
    private func softmax(_ p: UnsafeMutablePointer<S>, _ Tk: Int, seeing keys: Range<Int>, mask: UnsafeMutablePointer<S>?) {
        let lowest = S(-1e30), none = S.Vector(repeating: lowest), zero = S.Vector(repeating: .zero)
        var top = none
        S.sweep(keys) { j, lanes in
            var score = S.load(p, j, lanes, filling: lowest)
            if let mask { score = S.Vector.select(S.load(mask, j, lanes), above: zero, score, none) }
            S.store(score, to: p, j, lanes)
            top = S.Vector.maximum(top, score)
        }
        let largest = top.largest, peak = S.Vector(repeating: largest)
        var sum = zero
        S.sweep(keys) { j, lanes in
            let score = S.load(p, j, lanes, filling: lowest)
            var e = S.Vector.select(score, above: none, S.Vector.exp(score - peak), zero)
            if let mask { e = e * S.load(mask, j, lanes) }
            S.store(e, to: p, j, lanes)
            sum = sum + e
        }
        let total = sum.total
        let factor = S.Vector(repeating: total.primal > 0 ? S(1) / total : .zero)
        S.sweep(keys) { j, lanes in S.store(S.load(p, j, lanes) * factor, to: p, j, lanes) }
        p.update(repeating: .zero, count: keys.lowerBound)
        (p + keys.upperBound).update(repeating: .zero, count: Tk - keys.upperBound)
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let alpha = S(1 / Double(D).squareRoot()), C = H * D
        let dP = self.dP.values + share.index * longestQuery * longestKey
        // Heads that share keys and values add to one gradient, so one share processes all of them.
        for unit in share.of(B * G) {
            let (b, g) = unit.quotientAndRemainder(dividingBy: G)
            let (queries, keys) = rows(b)
            guard !queries.isEmpty else { continue }
            let Tq = queries.count, Tk = keys.count, fixed = Swift.min(fixedKeys, Tk), learned = keys.dropFirst(fixed)
            for h in g * (H / G)..<(g + 1) * (H / G) {
                let P = self.P.values + (b * H + h) * longestQuery * longestKey
                let dO = y.storage.gradient! + queries.lowerBound * C + h * D
                let isFirst = h == g * (H / G)
                if let dV = v.gradient(learned, g, D) {
                    S.multiply(
                        Matrix(P + fixed, stride: Tk, transposed: true), Matrix(dO, stride: C), into: dV, stride: v.stride,
                        m: learned.count, n: D, k: Tq, alpha: S(1), beta: isFirst ? v.input.beta : S(1))
                }
                guard q.input.gradient != nil || k.input.gradient != nil else { continue }
                S.multiply(
                    Matrix(dO, stride: C), v.matrix(keys, g, D, transposed: true), into: dP, stride: Tk, m: Tq, n: Tk, k: D,
                    alpha: S(1), beta: .zero)
                for i in 0..<Tq { differentiateSoftmax(dP + i * Tk, P + i * Tk, Tk) }
                if let dQ = q.gradient(queries, h, D) {
                    S.multiply(
                        Matrix(dP, stride: Tk), k.matrix(keys, g, D), into: dQ, stride: q.stride, m: Tq, n: D, k: Tk,
                        alpha: alpha, beta: q.input.beta)
                }
                if let dK = k.gradient(learned, g, D) {
                    S.multiply(
                        Matrix(dP + fixed, stride: Tk, transposed: true), q.matrix(queries, h, D), into: dK, stride: k.stride,
                        m: learned.count, n: D, k: Tq, alpha: alpha, beta: isFirst ? k.input.beta : S(1))
                }
            }
        }
    }

    @inline(__always)
    private func differentiateSoftmax(_ d: UnsafeMutablePointer<S>, _ p: UnsafeMutablePointer<S>, _ Tk: Int) {
        var sum = S.Vector(repeating: .zero)
        S.sweep(0..<Tk) { j, lanes in sum = sum + S.load(d, j, lanes) * S.load(p, j, lanes) }
        let mean = S.Vector(repeating: sum.total)
        S.sweep(0..<Tk) { j, lanes in S.store(S.load(p, j, lanes) * (S.load(d, j, lanes) - mean), to: d, j, lanes) }
    }
}

/// The keys that a query may attend to, by position.
public enum Visibility: Sendable, Equatable {
    /// Every query attends to every key.
    case all
    /// Query i of Tq attends to the keys up to its own position, counted from the end, and always to the first `prefix` keys.
    case causal(prefix: Int = 0)
    /// As causal, but only the last `window` of these keys, including its own.  https://arxiv.org/abs/2310.06825
    case sliding(window: Int)

    func keys(seenBy query: Int, of queries: Int, keys: Int) -> Range<Int> {
        switch self {
        case .all: return 0..<keys
        case .causal(let prefix): return 0..<Swift.min(keys, Swift.max(prefix, query + 1 + keys - queries))
        case .sliding(let window):
            let end = Swift.min(keys, Swift.max(0, query + 1 + keys - queries))
            return Swift.max(0, end - window)..<end
        }
    }
}

/// The heads of queries, keys or values: some columns of a tensor, from `offset` on.
struct Heads<S: Scalar> {
    let input: Input<S>
    let offset: Int
    let stride: Int

    @inline(__always)
    private func place(_ rows: Range<Int>, _ h: Int, _ D: Int) -> Int { rows.lowerBound * stride + offset + h * D }

    /// (T, D) of one sequence's rows and one head.
    @inline(__always)
    func matrix(_ rows: Range<Int>, _ h: Int, _ D: Int, transposed: Bool = false) -> Matrix<S> {
        Matrix(input.values + place(rows, h, D), stride: stride, transposed: transposed)
    }

    @inline(__always)
    func gradient(_ rows: Range<Int>, _ h: Int, _ D: Int) -> UnsafeMutablePointer<S>? {
        input.gradient.map { $0 + place(rows, h, D) }
    }
}

extension Graph {
    /// Self-attention over queries, keys and values that are columns of one tensor.
    /// qkv (batch·T, 3C); keyMask (batch, T), 1 where present; gives (batch·T, C). For packed sequences, T is the maximal length.
    public func attend(
        _ qkv: Tensor<S>, heads: Int, batch: Int, visibility: Visibility, keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil
    ) -> Tensor<S> {
        let C = qkv.columns / 3
        precondition(qkv.columns == 3 * C, "\(qkv.shape) is not queries, keys and values side by side")
        let input = Input(qkv)
        let part = { Heads(input: input, offset: $0 * C, stride: 3 * C) }
        return attend(part(0), part(1), part(2), C: C, heads: heads, batch: batch, visibility, keyMask, packing).read
    }

    /// Self-attention over queries, keys and values in separate tensors.
    /// q (batch·T, heads·D); k, v (batch·T, groups·D), where `groups` divides `heads`; keyMask (batch, T), 1 where present;
    /// gives (batch·T, heads·D). For packed sequences, T is the maximal length. The first `fixedKeys` keys and values of every sequence get
    /// no gradient.
    public func attend(
        _ q: Tensor<S>, _ k: Tensor<S>, _ v: Tensor<S>, heads: Int, groups: Int, batch: Int, visibility: Visibility,
        keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil, fixedKeys: Int = 0
    ) -> Tensor<S> {
        let all = { (x: Tensor<S>) in Heads(input: Input(x), offset: 0, stride: x.columns) }
        return attend(
            all(q), all(k), all(v), C: q.columns, heads: heads, groups: groups, batch: batch, visibility, keyMask, packing,
            fixedKeys: fixedKeys
        ).read
    }

    /// Attention of queries over keys and values of another sequence.
    /// q (batch·Tq, C); kv (batch·Tk, 2C), keys and values side by side; keyMask (batch, Tk); gives (batch·Tq, C).
    public func attend(
        _ q: Tensor<S>, to kv: Tensor<S>, heads: Int, batch: Int, visibility: Visibility = .all, keyMask: Tensor<S>? = nil
    ) -> Tensor<S> {
        attendWithWeights(q, to: kv, heads: heads, batch: batch, visibility: visibility, keyMask: keyMask).read
    }

    /// The same attention, with its weights: (batch·heads·Tq, Tk), to be read after a forward pass; no gradient flows through them.
    public func attendWithWeights(
        _ q: Tensor<S>, to kv: Tensor<S>, heads: Int, batch: Int, visibility: Visibility = .all, keyMask: Tensor<S>? = nil
    ) -> (read: Tensor<S>, weights: Tensor<S>) {
        let C = q.columns, other = Input(kv)
        precondition(kv.columns == 2 * C, "keys and values \(kv.shape) for queries \(q.shape)")
        return attend(
            Heads(input: Input(q), offset: 0, stride: C), Heads(input: other, offset: 0, stride: 2 * C),
            Heads(input: other, offset: C, stride: 2 * C), C: C, heads: heads, batch: batch, visibility, keyMask)
    }

    private func attend(
        _ q: Heads<S>, _ k: Heads<S>, _ v: Heads<S>, C: Int, heads: Int, groups: Int? = nil, batch: Int, _ visibility: Visibility,
        _ keyMask: Tensor<S>?, _ packing: PackedSequences? = nil, fixedKeys: Int = 0
    ) -> (read: Tensor<S>, weights: Tensor<S>) {
        let groups = groups ?? heads
        let queries = q.input.tensor.rows, keys = k.input.tensor.rows
        precondition(C.isMultiple(of: heads) && heads.isMultiple(of: groups), "\(heads) heads in \(groups) groups, of width \(C)")
        precondition(queries.isMultiple(of: batch) && keys.isMultiple(of: batch), "\(queries) queries, \(keys) keys, batch \(batch)")
        precondition(keyMask == nil || keyMask!.count == keys, "a mask \(keyMask!.shape) for \(keys) keys")
        precondition(
            [q, k, v].allSatisfy { $0.input.tensor.extent === packing?.rows },
            "rows vary along another extent than that of the packed sequences")
        precondition(
            packing == nil || packing!.count == batch && keys == queries, "the batch does not match the packed sequences")
        let Tq = queries / batch, Tk = keys / batch
        let y = output([queries, C], of: [q.input, k.input, v.input], along: packing?.rows)
        let P = memory(batch * heads * Tq * Tk)
        let read = record(
            AttendOperator(
                q: q, k: k, v: v, keyMask: keyMask, y: y, P: P, dP: memory(y.needsGradient ? team.count * Tq * Tk : 1),
                B: batch, H: heads, G: groups, longestQuery: Tq, longestKey: Tk, D: C / heads, visibility: visibility, fixedKeys: fixedKeys,
                packing: packing))
        return (read, Tensor(shape: [batch * heads * Tq, Tk], storage: P))
    }
}
