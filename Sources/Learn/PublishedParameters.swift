import Foundation
import Messaging
import Safetensors
import Tensors

/// Parameters in the form in which they are published: a safetensors file in memory, and its SHA-256.
struct PublishedParameters {
    let payload: Payload
    let digest: Data

    /// - Parameter values: the numbers of `layout`, in its order.
    init(_ layout: ParameterLayout, _ values: UnsafeBufferPointer<Float>) {
        precondition(values.count == layout.count, "\(values.count) numbers for \(layout.count) places")
        let header = TensorArchive.header(flat: layout.parameters.map { ($0.name, $0.shape) })
        let numbers = UnsafeRawBufferPointer(values)
        payload = Payload(count: header.count + numbers.count) { memory in
            memory.copyBytes(from: header)
            UnsafeMutableRawBufferPointer(rebasing: memory[header.count...]).copyMemory(from: numbers)
        }
        var hash = SHA256()
        payload.withUnsafeBytes { hash.update($0) }
        digest = Data(hash.digest())
    }

    init(_ store: ParameterStore<Float>) { self.init(store.layout, UnsafeBufferPointer(store.values)) }
}
