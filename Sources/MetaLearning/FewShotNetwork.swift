import Layers
import Tensors

/// The normalisation of the convolutions of a few-shot network.
public enum ChannelNorm: String, Sendable, Codable, CaseIterable {
    case none
    /// Layer normalisation over all numbers of one image: an image's answer depends on no other image.  https://arxiv.org/abs/1607.06450
    case layer
    /// Batch normalisation over the images evaluated together, as in the paper on MAML: an image's answer depends on the others.
    case batch
}

/// An image classifier: convolutions with stride two, then one linear head, weight (classes, features), as in MAML's Omniglot network.
/// https://arxiv.org/abs/1703.03400
public struct FewShotNetwork: Layer {
    public let side: Int
    public let channels: [Int]
    public let classes: Int
    public let norm: ChannelNorm
    private let convolutions: [Convolution]
    private let sides: [Int]

    public init(side: Int = 28, channels: [Int] = [32, 32, 32], classes: Int, norm: ChannelNorm = .layer) {
        precondition(!channels.isEmpty && classes > 1, "\(channels.count) convolutions for \(classes) classes")
        let window = Window(height: 3, width: 3, stride: 2, padding: (1, 1))
        self.side = side
        self.channels = channels
        self.classes = classes
        self.norm = norm
        convolutions = zip([1] + channels, channels).enumerated().map {
            Convolution("convolution.\($0.offset)", channels: $0.element.0, outputs: $0.element.1, window: window)
        }
        var sides: [Int] = []
        for _ in channels { sides.append(window.rows(of: sides.last ?? side)) }
        self.sides = sides
    }

    public static let headWeight = "head.weight", headBias = "head.bias"

    /// The width of an embedding.
    public var features: Int { sides[sides.count - 1] * sides[sides.count - 1] * channels[channels.count - 1] }

    public var parameters: [Parameter] {
        convolutions.parameters + norms.flatMap { $0 } + [
            Parameter(Self.headWeight, [classes, features]), Parameter(Self.headBias, [classes]),
        ]
    }

    /// Weight and bias of the normalisation after each convolution: one for every number of an image, or for every channel.
    private var norms: [[Parameter]] {
        guard norm != .none else { return [] }
        return channels.indices.map { index in
            let count = norm == .layer ? sides[index] * sides[index] * channels[index] : channels[index]
            return [Parameter("norm.\(index).weight", [count]), Parameter("norm.\(index).bias", [count])]
        }
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        convolutions.initialize(store, using: &generator)
        for pair in norms {
            store[pair[0].name].fill(1)
            store[pair[1].name].fill(0)
        }
        store[Self.headWeight].fillNormal(deviation: 1 / Double(features).squareRoot(), using: &generator)
        store[Self.headBias].fill(0)
    }

    /// x (B, side, side, 1); returns embeddings (B, features).
    public func embed<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        let B = x.shape[0]
        var y = x
        for (index, convolution) in convolutions.enumerated() {
            let convolved = convolution(y, in: graph)
            y = graph.activate(normalize(convolved, index, in: graph), .relu).reshaped(convolved.shape)
        }
        return y.reshaped([B, features])
    }

    /// x (B, features), embeddings; returns logits (B, classes).
    public func classify<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.linear(x, weight: graph.parameter(Self.headWeight), bias: graph.parameter(Self.headBias), transposed: true)
    }

    private func normalize<S>(_ x: Tensor<S>, _ index: Int, in graph: Graph<S>) -> Tensor<S> {
        guard norm != .none else { return x }
        let weight = graph.parameter("norm.\(index).weight"), bias = graph.parameter("norm.\(index).bias")
        switch norm {
        case .none: return x
        case .layer: return graph.normalizeRows(x.reshaped([x.shape[0], x.count / x.shape[0]]), weight: weight, bias: bias)
        case .batch: return graph.add(graph.multiply(graph.standardizeColumns(x), weight), bias)
        }
    }
}

extension Graph {
    /// (x − mean) / √(variance + ε) of every column over all rows.  https://arxiv.org/abs/1502.03167
    public func standardizeColumns(_ x: Tensor<S>, epsilon: Double = 1e-5) -> Tensor<S> {
        let centred = subtract(x, poolRows(x, batch: 1))
        let variance = poolRows(activate(centred, .square), batch: 1)
        let logarithm = activate(affine(variance, offset: epsilon), .logarithm)
        return multiply(centred, activate(affine(logarithm, scale: -0.5), .exponential))
    }
}
