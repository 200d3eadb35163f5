/// y = some columns of x. The same columns of dx += dy
struct SliceColumnsOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let offset: Int

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let width = y.columns, stride = x.tensor.columns
        for row in share.of(y.rows, grain: 64) {
            (y.storage.values + row * width).update(from: x.values + row * stride + offset, count: width)
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let width = y.columns, stride = x.tensor.columns, dy = y.storage.gradient!
        for row in share.of(y.rows, grain: 64) {
            S.sweep(0..<width) { i, count in
                S.store(S.load(dy + row * width, i, count), to: dx + row * stride + offset, i, count, adding: true)
            }
        }
    }
}

extension Graph {
    /// Some columns. x (rows, C); gives (rows, range.count).
    public func sliceColumns(_ x: Tensor<S>, _ range: Range<Int>) -> Tensor<S> {
        precondition(range.lowerBound >= 0 && range.upperBound <= x.columns && !range.isEmpty, "columns \(range) of \(x.shape)")
        let x = Input(x, coversAll: false)
        return record(SliceColumnsOperator(x: x, y: output([x.tensor.rows, range.count], of: [x]), offset: range.lowerBound))
    }

    /// Some rows of each of `batch` sequences. x (batch·T, C); gives (batch·range.count, C).
    public func sliceRows(_ x: Tensor<S>, _ range: Range<Int>, batch: Int = 1) -> Tensor<S> {
        let C = x.columns
        let y = sliceColumns(x.reshaped([batch, x.count / batch]), range.lowerBound * C..<range.upperBound * C)
        return y.reshaped([batch * range.count, C])
    }
}
