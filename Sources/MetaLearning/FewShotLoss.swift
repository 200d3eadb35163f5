import Tensors

/// Images with their class labels in an episode.
public struct LabelledImages: Sendable {
    /// (images, side, side)
    public var pixels: [Float]
    /// One label for each image.
    public var labels: [Int]

    public init(pixels: [Float], labels: [Int]) {
        self.pixels = pixels
        self.labels = labels
    }
}

/// The mean cross entropy of a few-shot network over a fixed number of images.
public final class FewShotLoss<S: Scalar>: TaskLoss {
    public let graph: Graph<S>
    public let images: Int
    private let pixels: Tensor<S>
    private let targets: Indices
    private let logits: Tensor<S>, loss: Tensor<S>

    public init(_ network: FewShotNetwork, parameters: ParameterStore<S>, images: Int) {
        graph = Graph(parameters: parameters)
        self.images = images
        pixels = graph.input([images, network.side, network.side, 1])
        targets = graph.indices(images)
        logits = network.classify(network.embed(pixels, in: graph), in: graph)
        loss = graph.crossEntropy(logits, targets: targets).mean
    }

    public var parameters: ParameterStore<S> { graph.parameters }
    public var gradients: ParameterStore<S> { graph.gradients }

    public func put(_ examples: LabelledImages) {
        precondition(examples.labels.count == images, "\(examples.labels.count) images where \(images) fit")
        pixels.set(examples.pixels.lazy.map { S(Double($0)) })
        targets.set(examples.labels)
    }

    public func differentiate() -> S {
        graph.forward()
        graph.backward(from: loss)
        return loss.value
    }

    /// The fraction of images whose most probable class is their label; runs forward only.
    public func accuracy() -> Double {
        graph.forward()
        let classes = logits.columns
        let right = (0..<images).count { row in
            let answers = logits.values[row * classes..<(row + 1) * classes]
            let best = answers.indices.max { answers[$0].primal < answers[$1].primal }
            return best == row * classes + targets[row]
        }
        return Double(right) / Double(images)
    }
}
