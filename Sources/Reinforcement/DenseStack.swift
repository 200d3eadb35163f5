import Layers
import Tensors

/// A feed-forward network of linear layers with an activation between them, for small policies and value functions.
public struct DenseStack: Layer {
    /// The distribution of the initial weights.
    public enum Start: Sendable, Equatable {
        /// Orthogonal with gain √2, for the last layer `lastGain`; biases 0.  https://arxiv.org/abs/2006.05990
        case orthogonal(lastGain: Double)
        /// Uniform within ±1/√inputs, including biases.
        case uniform
    }

    public let name: String
    public let activation: Activation
    private let layers: [Linear]
    private let start: Start

    public init(_ name: String, _ inputs: Int, hidden: [Int], outputs: Int, activation: Activation, start: Start) {
        let widths = [inputs] + hidden + [outputs]
        self.name = name
        self.activation = activation
        self.start = start
        layers = zip(widths, widths.dropFirst()).enumerated().map { Linear("\(name).\($0)", $1.0, $1.1) }
    }

    public var parameters: [Parameter] { layers.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for (index, layer) in layers.enumerated() {
            let weight = store["\(layer.name).weight"], bias = store["\(layer.name).bias"]
            switch start {
            case .orthogonal(let lastGain):
                let gain = index == layers.count - 1 ? lastGain : 2.0.squareRoot()
                weight.fillOrthogonal(rows: layer.inputs, columns: layer.outputs, gain: gain, using: &generator)
                bias.fill(0)
            case .uniform:
                let bound = 1 / Double(layer.inputs).squareRoot()
                for i in weight.indices { weight[i] = S(Double.random(in: -bound...bound, using: &generator)) }
                for i in bias.indices { bias[i] = S(Double.random(in: -bound...bound, using: &generator)) }
            }
        }
    }

    /// x (rows, inputs); returns (rows, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        let hidden = layers.dropLast().reduce(x) { x, layer in graph.activate(layer(x, in: graph), activation) }
        return layers[layers.count - 1](hidden, in: graph)
    }
}

extension UnsafeMutableBufferPointer where Element: Scalar {
    /// Fills a matrix (rows, columns) with `gain` times a random matrix whose rows, or columns if fewer, are orthonormal: Gram–Schmidt on
    /// normal vectors.  https://arxiv.org/abs/1312.6120
    func fillOrthogonal(rows: Int, columns: Int, gain: Double, using generator: inout some RandomNumberGenerator) {
        let (count, length) = rows < columns ? (rows, columns) : (columns, rows)
        let drawn = UnsafeMutableBufferPointer<Double>.allocate(capacity: count * length)
        defer { drawn.deallocate() }
        drawn.initialize(repeating: 0)
        drawn.fillNormal(deviation: 1, using: &generator)
        var vectors: [[Double]] = []
        for i in 0..<count {
            var vector = Array(drawn[i * length..<(i + 1) * length])
            // Twice, because rounding leaves a remainder after the first pass.
            for other in vectors + vectors {
                let share = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                for j in 0..<length { vector[j] -= share * other[j] }
            }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            vectors.append(vector.map { $0 / norm })
        }
        for row in 0..<rows {
            for column in 0..<columns {
                self[row * columns + column] = Element(gain * (rows < columns ? vectors[row][column] : vectors[column][row]))
            }
        }
    }
}
