import Foundation
import Messaging
import Safetensors

/// The parameters of one version of a model: tensors of float32, each with its digest. Versions share the tensors that are equal in both, so
/// keeping several costs little where little changes.
public struct ModelState: Sendable {
    /// The name of a tensor, and its shape.
    public struct Shape: Sendable, Equatable {
        public let name: String
        public let dimensions: [Int]

        public init(_ name: String, _ dimensions: [Int]) { (self.name, self.dimensions) = (name, dimensions) }

        /// The number of elements.
        var count: Int { dimensions.reduce(1, *) }
    }

    /// A tensor with SHA-256 of its numbers, little-endian.
    public struct Tensor: Sendable {
        public let shape: Shape
        public let values: [Float]
        let digest: [UInt8]

        init(_ shape: Shape, _ values: [Float]) {
            (self.shape, self.values) = (shape, values)
            digest = values.withUnsafeBytes { sha256(of: $0) }
        }
    }

    /// In the order in which they were given.
    public let tensors: [Tensor]
    /// SHA-256 of a line for each tensor, ordered by name: its digest in hexadecimal, two spaces, its name.
    public let digest: Data
    private let positions: [String: Int]

    private init(_ tensors: [Tensor], _ positions: [String: Int]) {
        (self.tensors, self.positions) = (tensors, positions)
        let lines = tensors.sorted { Array($0.shape.name.utf8).lexicographicallyPrecedes(Array($1.shape.name.utf8)) }
            .map { "\(SHA256.hex($0.digest))  \($0.shape.name)\n" }
        digest = Data(Array(lines.joined().utf8).withUnsafeBytes { sha256(of: $0) })
    }

    /// - Parameters:
    ///   - shapes: of the tensors, in order; their names are distinct.
    ///   - values: their numbers, one tensor after the other.
    public init(_ shapes: [Shape], _ values: UnsafeBufferPointer<Float>) {
        precondition(values.count == shapes.reduce(0) { $0 + $1.count }, "\(values.count) numbers for other shapes")
        var start = 0
        let tensors = shapes.map { shape in
            defer { start += shape.count }
            return Tensor(shape, Array(values[start..<start + shape.count]))
        }
        self.init(tensors, Dictionary(uniqueKeysWithValues: shapes.enumerated().map { ($1.name, $0) }))
    }

    /// The tensors of a safetensors file that have these names and shapes.
    /// - Throws: `missing`, `wrongShape`, `nonFinite`, `notConvertible`.
    public init(_ shapes: [Shape], _ archive: TensorArchive) throws(SafetensorsError) {
        let tensors = try shapes.map { shape throws(SafetensorsError) in
            Tensor(shape, try archive.tensor(shape.name, shape: shape.dimensions).floats())
        }
        self.init(tensors, Dictionary(uniqueKeysWithValues: shapes.enumerated().map { ($1.name, $0) }))
    }

    /// The tensor of a name.
    public subscript(name: String) -> Tensor? { positions[name].map { tensors[$0] } }

    /// Bytes of all numbers.
    var byteCount: Int { tensors.reduce(0) { $0 + 4 * $1.values.count } }

    /// The same with other numbers in some tensors, by place.
    func replacing(_ changed: [Int: [Float]]) -> ModelState {
        guard !changed.isEmpty else { return self }
        var tensors = tensors
        for (place, values) in changed { tensors[place] = Tensor(tensors[place].shape, values) }
        return ModelState(tensors, positions)
    }

    /// The place of a tensor.
    func place(of name: String) -> Int? { positions[name] }

    /// All tensors as a safetensors file in memory.
    public var payload: Payload {
        let header = TensorArchive.header(flat: tensors.map { ($0.shape.name, $0.shape.dimensions) })
        return Payload(count: header.count + byteCount) { memory in
            memory.copyBytes(from: header)
            var start = header.count
            for tensor in tensors {
                tensor.values.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: memory[start...]).copyMemory(from: $0) }
                start += 4 * tensor.values.count
            }
        }
    }
}
