/// y[r] = the rows x₀[r], x₁[r], … one after another. dxᵢ += its columns of dy
struct ConcatenateColumnsOperator<S: Scalar>: Operator {
    let parts: [Input<S>]
    let y: Tensor<S>

    var inputs: [Input<S>] { parts }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let rows = share.of(y.rows, grain: 64), stride = y.columns
        var offset = 0
        for x in parts {
            let width = x.tensor.columns
            for row in rows { (y.storage.values + row * stride + offset).update(from: x.values + row * width, count: width) }
            offset += width
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let rows = share.of(y.rows, grain: 64), stride = y.columns, dy = y.storage.gradient!
        var offset = 0
        for x in parts {
            let width = x.tensor.columns
            if let dx = x.gradient {
                for row in rows {
                    S.sweep(0..<width) { i, count in
                        S.store(S.load(dy + row * stride + offset, i, count), to: dx + row * width, i, count, adding: x.accumulates)
                    }
                }
            }
            offset += width
        }
    }
}

extension Graph {
    /// Tensors side by side: (rows, C₀), (rows, C₁), … give (rows, C₀ + C₁ + …).
    public func concatenateColumns(_ parts: [Tensor<S>]) -> Tensor<S> {
        precondition(Set(parts.map(\.rows)).count == 1, "tensors \(parts.map(\.shape)) do not have the same rows")
        let inputs = parts.map { Input($0) }
        let y = output([parts[0].rows, parts.reduce(0) { $0 + $1.columns }], of: inputs)
        return record(ConcatenateColumnsOperator(parts: inputs, y: y))
    }

    /// Sequences one after another, for each of `batch`: (batch·T₀, C), (batch·T₁, C), … give (batch·(T₀ + T₁ + …), C).
    public func concatenateRows(_ parts: [Tensor<S>], batch: Int = 1) -> Tensor<S> {
        let C = parts[0].columns
        precondition(parts.allSatisfy { $0.columns == C }, "tensors \(parts.map(\.shape)) do not have the same columns")
        let joined = concatenateColumns(parts.map { $0.reshaped([batch, $0.count / batch]) })
        return joined.reshaped([joined.count / C, C])
    }
}
