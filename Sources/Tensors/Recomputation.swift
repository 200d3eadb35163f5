/// Parts of a graph that share one memory: each is computed anew before its backward pass, so only results are kept.
/// Training deep nets with sublinear memory cost.  https://arxiv.org/abs/1604.06174
///
///     let y = graph.recomputing { block(x, in: graph) }
///
/// The gradient is the same to the bit; a step computes these parts forward twice, except for the last of them.
extension Graph {
    /// Records a part of which nothing but its result is read by what follows.
    public func recomputing(_ part: () -> Tensor<S>) -> Tensor<S> {
        precondition(shared == nil, "a part that is computed anew holds another")
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

    /// The same numbers in memory of their own.
    private func keep(_ x: Tensor<S>) -> Tensor<S> {
        let x = Input(x)
        return record(KeepOperator(x: x, y: output(x.tensor.shape, of: [x], along: x.tensor.extent)))
    }
}

/// Buffers that are handed out anew, in the same order, for every part.
final class SharedMemory<S: Scalar> {
    private struct Slot {
        var values: Buffer<S>?
        var gradient: Buffer<S>?
    }

    private var slots: [Slot] = []
    private var next = 0
    /// Numbers in all buffers ever made.
    private(set) var count = 0

    func begin() { next = 0 }

    func storage(count: Int, needsGradient: Bool, extent: Extent?) -> Storage<S> {
        if next == slots.count { slots.append(Slot()) }
        let values = buffer(&slots[next].values, count)
        let gradient = needsGradient ? buffer(&slots[next].gradient, count) : nil
        next += 1
        return Storage(count: count, values: values, gradient: gradient, extent: extent)
    }

    /// A larger buffer takes a smaller one's place; earlier parts hold on to theirs.
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
