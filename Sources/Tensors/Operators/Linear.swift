/// y = x · W + b
///
/// x (rows, K), y (rows, N), b (N); W (K, N) as in GPT-2's projections, or transposed (N, K) as in its tied output head.
/// dx = dy · Wᵀ, dW = xᵀ · dy, db = Σ rows of dy
struct LinearOperator<S: Scalar>: Operator {
    let x: Input<S>, weight: Input<S>, bias: Input<S>?
    let y: Tensor<S>
    let isTransposed: Bool
    let K: Int, N: Int

    var inputs: [Input<S>] { [x, weight] + (bias.map { [$0] } ?? []) }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Double)
    @specialized(where S == Dual<Float>)
    @specialized(where S == Dual<Double>)
    func forward(_ share: Share) {
        let part = share.of(N, multiple: 16, grain: 64)
        guard !part.isEmpty else { return }
        let y = self.y.storage.values, rows = self.y.rows
        guard rows > 0 else { return }
        if let bias = bias?.values {
            for row in 0..<rows { (y + row * N + part.lowerBound).update(from: bias + part.lowerBound, count: part.count) }
        }
        let columns = weight.values + part.lowerBound * (isTransposed ? K : 1)
        S.multiply(
            Matrix(x.values, stride: K), Matrix(columns, stride: isTransposed ? K : N, transposed: isTransposed),
            into: y + part.lowerBound, stride: N, m: rows, n: part.count, k: K, alpha: S(1), beta: S(bias == nil ? 0 : 1))
    }

    @specialized(where S == Float)
    @specialized(where S == Double)
    @specialized(where S == Dual<Float>)
    @specialized(where S == Dual<Double>)
    func backward(_ share: Share) {
        let dy = y.storage.gradient!, rows = y.rows
        guard rows > 0 else { return differentiateNothing(share) }
        if let dx = x.gradient {
            let part = share.of(K, multiple: 16, grain: 64)
            let W = weight.values + part.lowerBound * (isTransposed ? 1 : N)
            if !part.isEmpty {
                S.multiply(
                    Matrix(dy, stride: N), Matrix(W, stride: isTransposed ? K : N, transposed: !isTransposed),
                    into: dx + part.lowerBound, stride: K, m: rows, n: part.count, k: N, alpha: S(1), beta: x.beta)
            }
        }
        if let dW = weight.gradient {
            let (left, right) = isTransposed ? (dy, x.values) : (x.values, dy)
            let (height, width) = isTransposed ? (N, K) : (K, N)
            let part = share.of(height, multiple: 16, grain: 64)
            if !part.isEmpty {
                S.multiply(
                    Matrix(left + part.lowerBound, stride: height, transposed: true), Matrix(right, stride: width),
                    into: dW + part.lowerBound * width, stride: width, m: part.count, n: width, k: rows,
                    alpha: S(1), beta: weight.beta)
            }
        }
        if let bias, let db = bias.gradient {
            S.sweep(share.of(N, multiple: 16, grain: 256)) { column, count in
                var sum = S.Vector(repeating: .zero)
                for row in 0..<rows { sum = sum + S.load(dy + row * N, column, count) }
                S.store(sum, to: db, column, count, adding: bias.accumulates)
            }
        }
    }

    /// With no rows, the gradients of weight and bias are 0.
    private func differentiateNothing(_ share: Share) {
        guard share.isFirst else { return }
        for input in [weight, bias].compactMap({ $0 }) where !input.accumulates {
            input.gradient?.update(repeating: .zero, count: input.count)
        }
    }
}

extension Graph {
    /// y = x · W + b. x (…, K); W (K, N), or (N, K) if `transposed`; b (N). Gives (…, N).
    public func linear(_ x: Tensor<S>, weight: Tensor<S>, bias: Tensor<S>? = nil, transposed: Bool = false) -> Tensor<S> {
        precondition(weight.shape.count == 2, "a weight \(weight.shape) is not a matrix")
        let (K, N) = transposed ? (weight.shape[1], weight.shape[0]) : (weight.shape[0], weight.shape[1])
        precondition(x.columns == K, "x \(x.shape) against weight \(weight.shape)\(transposed ? " transposed" : "")")
        precondition(bias == nil || bias!.count == N, "bias \(bias!.shape) for \(N) columns")
        precondition(x.storage !== weight.storage, "a tensor times itself has no gradient here; copy it first")
        let inputs = (x: Input(x), weight: Input(weight), bias: bias.map { Input($0) })
        let y = output(x.shape.dropLast() + [N], of: [inputs.x, inputs.weight] + (inputs.bias.map { [$0] } ?? []), along: x.extent)
        return record(
            LinearOperator(
                x: inputs.x, weight: inputs.weight, bias: inputs.bias, y: y, isTransposed: transposed, K: K, N: N))
    }

    /// The sum of every row. x (…, C); gives (…, 1).
    public func rowSums(_ x: Tensor<S>) -> Tensor<S> {
        let ones = input([x.columns, 1])
        ones.fill(S(1))
        return linear(x, weight: ones)
    }
}
