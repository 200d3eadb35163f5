import GGUF
import Tensors

/// A matrix of a GGUF file as it lies there, mapped: a row is decoded when it is read.
public struct GGUFMatrix: FrozenMatrix {
    public let rows: Int
    public let columns: Int
    /// The stored tensor.
    public let tensor: GGUFTensor
    /// For every row, its place in the file; nil if the order is the same.
    public let order: [Int32]?
    private let rowBytes: Int

    /// - Parameters:
    ///   - tensor: a matrix whose numbers are finite.
    ///   - order: for every row, its place in the file.
    public init(_ tensor: GGUFTensor, order: [Int32]? = nil) {
        precondition(tensor.shape.count == 2, "\(tensor.name) has shape \(tensor.shape)")
        (rows, columns) = (tensor.shape[0], tensor.shape[1])
        self.tensor = tensor
        self.order = order
        rowBytes = columns / tensor.type.blockCount * tensor.type.blockBytes
    }

    public var bytes: Int { rows * rowBytes }

    public func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) { tensor.withUnsafeBytes(body) }

    public func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        tensor.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            guard let order else {
                return GGUFTensor.decode(start + range.lowerBound * rowBytes, tensor.type, count: range.count * columns, into: y)
            }
            for (i, row) in range.enumerated() {
                GGUFTensor.decode(start + Int(order[row]) * rowBytes, tensor.type, count: columns, into: y + i * columns)
            }
        }
    }
}
