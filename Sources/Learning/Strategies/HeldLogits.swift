import Tensors

/// A loss term that regularises the logits of some rows towards given logits.
///
///     distance = mean of (logits − target)² over the numbers that are present
struct HeldLogits {
    /// The target logits, and 1 for each number that counts; (rows, classes).
    let target, present: Tensor<Float>
    let distance: Tensor<Float>

    /// - Parameter logits: (rows, classes)
    init(_ logits: Tensor<Float>, in graph: Graph<Float>) {
        target = graph.input(logits.shape)
        present = graph.input(logits.shape)
        distance = graph.mean(graph.activate(graph.subtract(logits, target), .square), weights: present)
    }

    /// Removes the targets of all rows.
    func clear() { present.fill(0) }

    /// Sets the target logits of a row.
    func set(_ row: Int, _ logits: [Float]) {
        let place = row * logits.count
        for k in logits.indices {
            target.values[place + k] = logits[k]
            present.values[place + k] = 1
        }
    }
}
