/// y[i] = table[index[i]], a row of zeros where the index is negative
///
/// table (V, C), y (n, C). d table[index[i]] += dy[i]
struct GatherRowsOperator<S: Scalar>: Operator {
    let table: Input<S>
    let rows: Indices
    let y: Tensor<S>
    let C: Int

    var inputs: [Input<S>] { [table] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let V = table.tensor.rows, y = self.y.storage.values
        for i in share.of(rows.count, grain: 32) {
            let row = rows[i]
            precondition(row < V, "row \(row) of a table of \(V)")
            if row < 0 {
                (y + i * C).update(repeating: .zero, count: C)
            } else {
                (y + i * C).update(from: table.values + row * C, count: C)
            }
        }
    }

    /// Every share processes its own columns, because several positions may have the same row index.
    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dTable = table.gradient else { return }
        let dy = y.storage.gradient!
        let part = share.of(C, multiple: 16, grain: 64)
        for i in 0..<rows.count where rows[i] >= 0 {
            S.sweep(part) { column, count in
                S.store(S.load(dy + i * C, column, count), to: dTable + rows[i] * C, column, count, adding: true)
            }
        }
    }
}

extension Graph {
    /// Rows of a table by index: an embedding. table (V, C); rows (n); gives (n, C), zeros where the index is negative.
    public func gatherRows(of table: Tensor<S>, _ rows: Indices) -> Tensor<S> {
        let table = Input(table, coversAll: false), C = table.tensor.columns
        let y = output([rows.count, C], of: [table], along: rows.extent)
        return record(GatherRowsOperator(table: table, rows: rows, y: y, C: C))
    }
}
