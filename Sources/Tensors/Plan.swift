/// The order of a backward pass from given seeds: which operators run, which gradient is written first and which is added to.
///
/// The first contribution to a gradient is written rather than added to zeros: for a large model that saves a pass over memory.
final class Plan<S: Scalar> {
    enum Step {
        case zero(UnsafeMutablePointer<S>, count: Int)
        /// Recompute the forward pass, unless the shared memory still holds the values of this, the last computed part.
        case compute(any Operator<S>, isNewest: Bool)
        case run(any Operator<S>)
    }

    private(set) var steps: [Step] = []
    private let seeds: [ObjectIdentifier]
    private let isAccumulating: Bool
    private var inputs: [(input: Input<S>, accumulates: Bool)] = []

    init(
        _ operators: [any Operator<S>], _ seeds: [Tensor<S>], learned: [Storage<S>], recomputed: [Range<Int>], accumulating: Bool
    ) {
        self.seeds = seeds.map { ObjectIdentifier($0.storage) }
        isAccumulating = accumulating
        var written = Set(self.seeds)
        if accumulating { written.formUnion(learned.map(ObjectIdentifier.init)) }

        var again = recomputed[...]
        for (index, operation) in operators.enumerated().reversed()
        where operation.outputs.contains(where: { written.contains(ObjectIdentifier($0.storage)) }) {
            guard operation.inputs.contains(where: { $0.gradient != nil }) else { continue }
            while let part = again.last, part.upperBound > index {
                again.removeLast()
                guard part.contains(index) else { continue }
                steps += part.map { .compute(operators[$0], isNewest: part == recomputed.last) }
            }
            for output in operation.outputs where written.insert(ObjectIdentifier(output.storage)).inserted {
                zero(output.storage)
            }
            for input in operation.inputs where input.gradient != nil {
                let isFirst = written.insert(ObjectIdentifier(input.tensor.storage)).inserted
                if isFirst, !input.coversAll { zero(input.tensor.storage) }
                inputs.append((input, accumulates: !isFirst || !input.coversAll))
            }
            steps.append(.run(operation))
        }
        for storage in learned where !written.contains(ObjectIdentifier(storage)) { zero(storage) }
    }

    private func zero(_ storage: Storage<S>) {
        if let gradient = storage.gradient { steps.append(.zero(gradient, count: storage.capacity)) }
    }

    func fits(_ seeds: [Tensor<S>], _ accumulating: Bool) -> Bool {
        isAccumulating == accumulating && self.seeds == seeds.map { ObjectIdentifier($0.storage) }
    }

    func fits(_ seed: Tensor<S>, _ accumulating: Bool) -> Bool {
        isAccumulating == accumulating && seeds.count == 1 && seeds[0] == ObjectIdentifier(seed.storage)
    }

    /// Sets `accumulates` of every input of these operators as this plan needs it.
    func adopt() {
        for (input, accumulates) in inputs { input.accumulates = accumulates }
    }
}
