import Tensors

/// Initialises the head of a task from the prototypes, the mean embeddings of its classes: before any step the prediction is the class of
/// the nearest prototype.
///
///     logits = −σ‖e − c‖² + σ‖e‖²,  so weight = 2σ c, bias = −σ‖c‖², σ = `sharpness`
///
/// https://arxiv.org/abs/1903.03096, section 3. The gradient is propagated from the head to the convolutions.
public final class PrototypeStart<S: Scalar>: TaskStart {
    private let graph: Graph<S>
    private let pixels: Tensor<S>, shares: Tensor<S>
    private let weight: Tensor<S>, bias: Tensor<S>
    private let classes: Int

    /// - Parameters:
    ///   - network: the network.
    ///   - images: the number of images in a support.
    ///   - sharpness: σ; 1 / features if nil.
    public init(_ network: FewShotNetwork, images: Int, sharpness: Double? = nil) {
        let sharpness = sharpness ?? 1 / Double(network.features)
        classes = network.classes
        graph = Graph(parameters: ParameterStore(network.layout))
        pixels = graph.input([images, network.side, network.side, 1])
        shares = graph.input([network.classes, images])
        let means = graph.linear(shares, weight: network.embed(pixels, in: graph))
        weight = graph.affine(means, scale: 2 * sharpness)
        bias = graph.affine(graph.rowSums(graph.activate(means, .square)), scale: -sharpness)
    }

    public func begin(_ support: LabelledImages, from meta: ParameterStore<S>, into task: ParameterStore<S>) {
        graph.parameters.assign(from: meta)
        pixels.set(support.pixels.lazy.map { S(Double($0)) })
        shares.fill(.zero)
        for label in 0..<classes {
            let members = support.labels.indices.filter { support.labels[$0] == label }
            for member in members { shares.values[label * support.labels.count + member] = S(1 / Double(members.count)) }
        }
        graph.forward()
        _ = task[FewShotNetwork.headWeight].update(fromContentsOf: weight.values)
        _ = task[FewShotNetwork.headBias].update(fromContentsOf: bias.values)
    }

    public func pullBack(_ gradient: ParameterStore<S>) {
        let headWeight = gradient[FewShotNetwork.headWeight], headBias = gradient[FewShotNetwork.headBias]
        _ = weight.gradient.update(fromContentsOf: headWeight)
        _ = bias.gradient.update(fromContentsOf: headBias)
        headWeight.fill(0)
        headBias.fill(0)
        graph.backward(seeded: [weight, bias])
        gradient.add(graph.gradients)
    }
}
