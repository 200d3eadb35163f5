/// y[i] = 1 if number i is not negative, else 0: a mask of the targets that are present. No gradient flows through it.
struct PresenceOperator<S: Scalar>: Operator {
    let numbers: Indices
    let y: Tensor<S>

    var inputs: [Input<S>] { [] }
    var outputs: [Tensor<S>] { [y] }

    func forward(_ share: Share) {
        guard share.isFirst else { return }
        for i in 0..<numbers.count { y.storage.values[i] = S(numbers[i] < 0 ? 0 : 1) }
    }

    func backward(_ share: Share) {}
}

extension Graph {
    /// A mask of the numbers that are not negative. numbers (n); gives (n), 1 or 0.
    public func presence(of numbers: Indices) -> Tensor<S> {
        record(PresenceOperator(numbers: numbers, y: output([numbers.count], of: [])))
    }
}
