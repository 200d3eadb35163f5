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
        let first = operatorCount
        let result = inSharedMemory(keepingValues: false, part)
        noteRecomputed(first..<operatorCount)
        return keep(result)
    }

    /// Records a part that shares memory with other such parts without being computed twice: the memory of gradients, and of values too
    /// where the part has no gradients. The results are the same to the bit.
    ///
    /// - Parameters:
    ///   - x: what the part reads; besides it, only inputs without gradients and parameters.
    ///   - part: records the operators and returns their result; later operators must read no other tensor of it.
    public func sharing(_ x: Tensor<S>, _ part: (Tensor<S>) -> Tensor<S>) -> Tensor<S> {
        guard shared == nil else { return part(x) }
        let hasGradients = !gradients.layout.parameters.isEmpty || x.storage.gradient != nil
        let result = inSharedMemory(keepingValues: hasGradients) { part(x) }
        precondition(hasGradients || result.storage.gradient == nil, "a part whose values are shared has gradients")
        return keep(result)
    }

    private func inSharedMemory(keepingValues: Bool, _ part: () -> Tensor<S>) -> Tensor<S> {
        let memory = sharedMemory ?? SharedMemory()
        sharedMemory = memory
        memory.begin(keepingValues: keepingValues)
        shared = memory
        defer { shared = nil }
        return part()
    }

    /// A copy of a tensor outside the shared memory.
    private func keep(_ x: Tensor<S>) -> Tensor<S> {
        let x = Input(x)
        return record(KeepOperator(x: x, y: output(x.tensor.shape, of: [x], along: x.tensor.extent)))
    }
}

/// Buffers that every part uses again, in the same order.
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
    /// Whether every part has values of its own, and only gradients are shared.
    private var keepsValues = false
    /// The count of numbers in all buffers allocated so far, including values of a part's own.
    private(set) var count = 0

    func begin(keepingValues: Bool) { (next, keepsValues) = (0, keepingValues) }

    func storage(count: Int, needsGradient: Bool, extent: Extent?, isPlan: Bool) -> Storage<S> {
        if next == slots.count { slots.append(Slot()) }
        let values = keepsValues ? own(count, isPlan) : buffer(&slots[next].values, count, isPlan)
        let gradient = needsGradient ? buffer(&slots[next].gradient, count, isPlan) : nil
        next += 1
        return Storage(count: count, values: values, gradient: gradient, extent: extent, isPlan: isPlan)
    }

    /// A larger buffer replaces a smaller one; earlier parts keep their buffer.
    private func buffer(_ place: inout Room?, _ count: Int, _ isPlan: Bool) -> Buffer<S> {
        if let place, place.count >= count { return place.buffer }
        let buffer = own(count, isPlan)
        place = Room(buffer: buffer, count: count)
        return buffer
    }

    private func own(_ count: Int, _ isPlan: Bool) -> Buffer<S> {
        self.count += count
        return Buffer<S>(isPlan ? 1 : count)
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
