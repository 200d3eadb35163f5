/// y = x · Wᵀ + b with a frozen W, of which some rows are decoded at a time.
///
/// x (rows, K), y (rows, N), b (N), W (N, K). dx = dy · W, db = Σ rows of dy
struct FrozenLinearOperator<S: Scalar>: Operator {
    let x: Input<S>, bias: Input<S>?
    let y: Tensor<S>
    let weight: any FrozenMatrix
    /// (shares, panel, K)
    let scratch: Scratch<S>
    let K: Int, N: Int

    /// The maximal number of decoded rows.
    static var panel: Int { 128 }

    var inputs: [Input<S>] { [x] + (bias.map { [$0] } ?? []) }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let part = share.of(N, multiple: 16, grain: 64), rows = self.y.rows
        guard !part.isEmpty, rows > 0 else { return }
        let y = self.y.storage.values, panel = scratch.pointer + share.index * Self.panel * K
        if let bias = bias?.values {
            for row in 0..<rows { (y + row * N + part.lowerBound).update(from: bias + part.lowerBound, count: part.count) }
        }
        for start in stride(from: part.lowerBound, to: part.upperBound, by: Self.panel) {
            let range = start..<min(start + Self.panel, part.upperBound)
            weight.decode(rows: range, as: S.self, into: panel)
            S.multiply(
                Matrix(x.values, stride: K), Matrix(panel, stride: K, transposed: true), into: y + start, stride: N, m: rows,
                n: range.count, k: K, alpha: S(1), beta: S(bias == nil ? 0 : 1))
        }
    }

    /// A share computes the gradients of some rows of x.
    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let dy = y.storage.gradient!, rows = y.rows
        if let bias, let db = bias.gradient {
            S.sweep(share.of(N, multiple: 16, grain: 256)) { column, count in
                var sum = S.Vector(repeating: .zero)
                for row in 0..<rows { sum = sum + S.load(dy + row * N, column, count) }
                S.store(sum, to: db, column, count, adding: bias.accumulates)
            }
        }
        guard let dx = x.gradient else { return }
        let part = share.of(rows, multiple: 4, grain: 8)
        guard !part.isEmpty else { return }
        let panel = scratch.pointer + share.index * Self.panel * K
        for start in stride(from: 0, to: N, by: Self.panel) {
            let range = start..<min(start + Self.panel, N)
            weight.decode(rows: range, as: S.self, into: panel)
            S.multiply(
                Matrix(dy + part.lowerBound * N + start, stride: N), Matrix(panel, stride: K), into: dx + part.lowerBound * K,
                stride: K, m: part.count, n: K, k: range.count, alpha: S(1), beta: start == 0 ? x.beta : S(1))
        }
    }
}

/// y[i] = the row index[i] of a frozen table; zeros where the index is negative.
struct FrozenGatherOperator<S: Scalar>: Operator {
    let table: any FrozenMatrix
    let rows: Indices
    let y: Tensor<S>

    var inputs: [Input<S>] { [] }
    var outputs: [Tensor<S>] { [y] }

    func forward(_ share: Share) {
        let C = table.columns, y = self.y.storage.values
        for i in share.of(rows.count, grain: 32) {
            let row = rows[i]
            precondition(row < table.rows, "row \(row) of a table of \(table.rows)")
            if row < 0 {
                (y + i * C).update(repeating: .zero, count: C)
            } else {
                table.decode(rows: row..<row + 1, as: S.self, into: y + i * C)
            }
        }
    }

    func backward(_ share: Share) {}
}

extension Graph {
    /// y = x · W + b, where W is a parameter or a frozen matrix of the graph, by name.
    ///
    /// - Parameters:
    ///   - x: (…, K).
    ///   - name: W (K, N), or (N, K) if `transposed`; a frozen matrix is always (N, K).
    ///   - bias: (N).
    ///   - transposed: whether a parameter is stored as (N, K).
    /// - Returns: (…, N).
    public func linear(_ x: Tensor<S>, weight name: String, bias: Tensor<S>? = nil, transposed: Bool) -> Tensor<S> {
        guard let weight = parameters.frozen[name] else { return linear(x, weight: parameter(name), bias: bias, transposed: transposed) }
        let (N, K) = (weight.rows, weight.columns)
        precondition(x.columns == K, "x \(x.shape) against a frozen matrix (\(N), \(K))")
        precondition(bias == nil || bias!.count == N, "bias \(bias!.shape) for \(N) columns")
        let x = Input(x), bias = bias.map { Input($0) }
        scratch.reserve(team.count * FrozenLinearOperator<S>.panel * K)
        let y = output(x.tensor.shape.dropLast() + [N], of: [x] + (bias.map { [$0] } ?? []), along: x.tensor.extent)
        return record(FrozenLinearOperator(x: x, bias: bias, y: y, weight: weight, scratch: scratch, K: K, N: N))
    }

    /// Rows of a table, a parameter or a frozen matrix of the graph by name. table (V, C); rows (n); gives (n, C), zeros where the
    /// index is negative.
    public func gatherRows(of name: String, _ rows: Indices) -> Tensor<S> {
        guard let table = parameters.frozen[name] else { return gatherRows(of: parameter(name), rows) }
        return record(FrozenGatherOperator(table: table, rows: rows, y: output([rows.count, table.columns], of: [], along: rows.extent)))
    }
}
