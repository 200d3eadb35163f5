import Layers
import Tensors

/// A function recorded into a graph, for a gradient check: an operator, a layer, a fusion, a whole model.
///
/// Recording is generic, so that the same composition runs over `Float`, `Double` and dual numbers.
public protocol Composition: Sendable {
    var name: String { get }
    /// The parameters that are differentiated; the check draws their values.
    var parameters: [Parameter] { get }
    /// Matrices that do not learn, by the names that they have in the graph.
    var frozen: [String: any FrozenMatrix] { get }
    /// Records it, with constant inputs set, and returns the output that is differentiated.
    func record<S: Scalar>(in graph: Graph<S>) -> Tensor<S>
}

extension Composition {
    public var name: String { "\(Self.self)" }
    public var frozen: [String: any FrozenMatrix] { [:] }
}

/// A frozen matrix of floats.
public struct FloatMatrix: FrozenMatrix {
    public let rows: Int, columns: Int
    private let numbers: [Float]

    /// - Parameter numbers: rows × columns of them, row by row.
    public init(_ numbers: [Float], rows: Int, columns: Int) {
        precondition(numbers.count == rows * columns, "\(numbers.count) numbers for \(rows) × \(columns)")
        (self.numbers, self.rows, self.columns) = (numbers, rows, columns)
    }

    /// Reproducible numbers between −1 and 1.
    public static func example(rows: Int, columns: Int, seed: UInt64 = 3) -> FloatMatrix {
        var generator = SplitMix64(state: seed)
        let numbers = (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) }
        return FloatMatrix(numbers, rows: rows, columns: columns)
    }

    public var bytes: Int { numbers.count * MemoryLayout<Float>.stride }
    public func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) { numbers.withUnsafeBytes(body) }

    public func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        let part = range.lowerBound * columns..<range.upperBound * columns
        _ = UnsafeMutableBufferPointer(start: y, count: part.count).update(fromContentsOf: numbers[part])
    }
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
