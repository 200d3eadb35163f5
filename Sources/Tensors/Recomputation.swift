/// Activation checkpointing: parts of a graph share one memory, and each is recomputed before its backward pass, so only its
/// result is kept.
/// Training deep nets with sublinear memory cost.  https://arxiv.org/abs/1604.06174
///
///     let y = graph.recomputing { block(x, in: graph) }
///
/// The gradient is the same to the bit; a step runs the forward pass of these parts twice, except for the last of them.
extension Graph {
    /// Records a part that is recomputed before its backward pass.
    ///
    /// - Parameter part: records the operators and returns their result; later operators must read no other tensor of it.
    public func recomputing(_ part: () -> Tensor<S>) -> Tensor<S> {
        precondition(shared == nil, "a recomputed part contains another one")
        let memory = sharedMemory ?? SharedMemory()
        sharedMemory = memory
        memory.begin()
        shared = memory
        let first = operatorCount
        let result = part()
        shared = nil
        noteRecomputed(first..<operatorCount)
        return keep(result)
    }

    /// A copy of a tensor outside the shared memory.
    private func keep(_ x: Tensor<S>) -> Tensor<S> {
        let x = Input(x)
        return record(KeepOperator(x: x, y: output(x.tensor.shape, of: [x], along: x.tensor.extent)))
    }
}

/// Buffers that every recomputed part uses again, in the same order.
final class SharedMemory<S: Scalar> {
    private struct Slot {
        var values: Buffer<S>?
        var gradient: Buffer<S>?
    }

    private var slots: [Slot] = []
    private var next = 0
    /// The count of numbers in all buffers allocated so far.
    private(set) var count = 0

    func begin() { next = 0 }

    func storage(count: Int, needsGradient: Bool, extent: Extent?) -> Storage<S> {
        if next == slots.count { slots.append(Slot()) }
        let values = buffer(&slots[next].values, count)
        let gradient = needsGradient ? buffer(&slots[next].gradient, count) : nil
        next += 1
        return Storage(count: count, values: values, gradient: gradient, extent: extent)
    }

    /// A larger buffer replaces a smaller one; earlier parts keep their buffer.
    private func buffer(_ place: inout Buffer<S>?, _ count: Int) -> Buffer<S> {
        if let buffer = place, buffer.memory.count >= count { return buffer }
        let buffer = Buffer<S>(count)
        self.count += count
        place = buffer
        return buffer
    }
}

/// y = x, bit for bit. dx += dy
struct KeepOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let part = share.of(x.count, multiple: 16, grain: 8_192)
        (y.storage.values + part.lowerBound).update(from: x.values + part.lowerBound, count: part.count)
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let dy = y.storage.gradient!
        S.sweep(share.of(x.count, multiple: 16, grain: 8_192)) { i, count in
            S.store(S.load(dy, i, count), to: dx, i, count, adding: x.accumulates)
        }
    }
}
