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
        var values: Room?, gradient: Room?
    }

    /// A buffer and the count of numbers that it has, or in a plan would have, room for.
    private struct Room {
        let buffer: Buffer<S>
        let count: Int
    }

    private var slots: [Slot] = []
    private var next = 0
    /// The count of numbers in all buffers allocated so far.
    private(set) var count = 0

    func begin() { next = 0 }

    func storage(count: Int, needsGradient: Bool, extent: Extent?, isPlan: Bool) -> Storage<S> {
        if next == slots.count { slots.append(Slot()) }
        let values = buffer(&slots[next].values, count, isPlan)
        let gradient = needsGradient ? buffer(&slots[next].gradient, count, isPlan) : nil
        next += 1
        return Storage(count: count, values: values, gradient: gradient, extent: extent, isPlan: isPlan)
    }

    /// A larger buffer replaces a smaller one; earlier parts keep their buffer.
    private func buffer(_ place: inout Room?, _ count: Int, _ isPlan: Bool) -> Buffer<S> {
        if let place, place.count >= count { return place.buffer }
        let buffer = Buffer<S>(isPlan ? 1 : count)
        self.count += count
        place = Room(buffer: buffer, count: count)
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
