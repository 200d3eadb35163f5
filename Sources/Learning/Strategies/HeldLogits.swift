import Tensors

/// Logits held where they were, row by row: a term of a loss.
///
///     distance = mean over the numbers that are present of (logits − then)²
struct HeldLogits {
    /// Where, and 1 for each number that counts; (rows, classes).
    let then, present: Tensor<Float>
    let distance: Tensor<Float>

    /// - Parameter logits: (rows, classes)
    init(_ logits: Tensor<Float>, in graph: Graph<Float>) {
        then = graph.input(logits.shape)
        present = graph.input(logits.shape)
        distance = graph.mean(graph.activate(graph.subtract(logits, then), .square), weights: present)
    }

    /// Nothing is held.
    func clear() { present.fill(0) }

    func set(_ row: Int, _ logits: [Float]) {
        let place = row * logits.count
        for k in logits.indices {
            then.values[place + k] = logits[k]
            present.values[place + k] = 1
        }
    }
}
