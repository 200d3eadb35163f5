import Layers
import Tensors

/// A function recorded into a graph, for a gradient check: an operator, a layer, a fusion, a whole model.
///
/// Recording is generic, so that the same composition runs over `Float`, `Double` and dual numbers.
public protocol Composition: Sendable {
    var name: String { get }
    /// The parameters that are differentiated; the check draws their values.
    var parameters: [Parameter] { get }
    /// Records it, with constant inputs set, and returns the output that is differentiated.
    func record<S: Scalar>(in graph: Graph<S>) -> Tensor<S>
}

extension Composition {
    public var name: String { "\(Self.self)" }
}

extension Graph {
    /// An input with reproducible numbers between −1 and 1.
    public func example(_ shape: [Int], seed: UInt64 = 1) -> Tensor<S> {
        var generator = SplitMix64(state: seed)
        let tensor = input(shape)
        tensor.set((0..<tensor.count).map { _ in S(Double.random(in: -1...1, using: &generator)) })
        return tensor
    }

    /// An input with these numbers.
    public func constant(_ shape: [Int], _ numbers: [Double]) -> Tensor<S> {
        let tensor = input(shape)
        tensor.set(numbers.map { S($0) })
        return tensor
    }
}

/// A small seeded generator for tests.  https://prng.di.unimi.it/splitmix64.c
public struct SplitMix64: RandomNumberGenerator, Sendable {
    public var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
