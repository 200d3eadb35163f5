/// loss[r] = ln Σ eˣ − x[target], over the last dimension; 0 where the target is negative (−100 by custom)
///
/// x (rows, V); loss, counts (rows), counts is 1 where there is a target; level = ln Σ eˣ (rows), kept for backward.
/// dx = dloss[r] (softmax(x) − onehot(target))
struct CrossEntropyOperator<S: Scalar>: Operator {
    let x: Input<S>
    let targets: Indices
    let loss: Tensor<S>, counts: Tensor<S>
    let level: Storage<S>
    let V: Int

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [loss, counts] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        for row in share.of(targets.count, grain: 2) {
            let target = targets[row], x = self.x.values + row * V
            precondition(target < V, "target \(target) of \(V) classes")
            counts.storage.values[row] = S(target < 0 ? 0 : 1)
            loss.storage.values[row] = .zero
            guard target >= 0 else { continue }
            let (largest, sum) = S.peakAndSum(x, V)
            let level = largest + S.log(sum)
            self.level.values[row] = level
            loss.storage.values[row] = level - x[target]
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let gradient = x.gradient else { return }
        let adding = x.accumulates
        for row in share.of(targets.count, grain: 2) {
            let target = targets[row], x = self.x.values + row * V, dx = gradient + row * V
            guard target >= 0 else {
                if !adding { dx.update(repeating: .zero, count: V) }
                continue
            }
            let dLoss = loss.storage.gradient![row]
            let factor = S.Vector(repeating: dLoss), level = S.Vector(repeating: self.level.values[row])
            S.sweep(0..<V) { i, count in
                S.store(factor * S.Vector.exp(S.load(x, i, count) - level), to: dx, i, count, adding: adding)
            }
            dx[target] = dx[target] - dLoss
        }
    }
}

/// The mean cross entropy over the rows that have a target, and the cross entropy of each row.
public struct CrossEntropy<S: Scalar> {
    /// A scalar: Σ weight · loss / Σ weight over rows with a target; 0 where there are none.
    public let mean: Tensor<S>
    /// (rows), in nats; 0 where there is no target.
    public let rows: Tensor<S>
}

extension Graph {
    /// Softmax cross entropy against class indices; a row with a negative target (−100) is ignored.
    /// logits (rows, V); weights (rows), 1 if not given.
    public func crossEntropy(_ logits: Tensor<S>, targets: Indices, weights: Tensor<S>? = nil) -> CrossEntropy<S> {
        precondition(logits.rows == targets.count, "\(targets.count) targets for logits \(logits.shape)")
        precondition(logits.extent === targets.extent, "targets along another extent than logits")
        let x = Input(logits), count = targets.count
        let loss = output([count], of: [x], along: targets.extent), counts = input([count], along: targets.extent)
        record(
            CrossEntropyOperator(
                x: x, targets: targets, loss: loss, counts: counts, level: memory(count),
                V: logits.columns))
        let weights = weights.map { multiply(counts, $0) } ?? counts
        return CrossEntropy(mean: mean(loss, weights: weights), rows: loss)
    }
}
