/// y[i] = 1 where a number is not negative, else 0: which targets there are. A constant to the gradient.
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
    /// Gives (numbers): 1 where one is not negative.
    public func presence(of numbers: Indices) -> Tensor<S> {
        record(PresenceOperator(numbers: numbers, y: output([numbers.count], of: [])))
    }
}
