import Layers
import Tensors

/// From one sense's rows of features to a few tokens.
public protocol SenseEncoder: Layer {
    /// - Parameter name: the prefix of all parameter names.
    init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration)

    /// values (batch·rows, columns), zeros in absent rows; mask (batch, rows), 1 where a row is present; gives (batch, tokens·width).
    func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S>
}

public let encoders: KeyValuePairs<String, any SenseEncoder.Type> = [
    "dense": DenseEncoder.self,
    "patches": PatchEncoder.self,
    "convolution": ConvolutionEncoder.self,
    "stem": StemEncoder.self,
]

/// The encoder that a sense's configuration names, which must have been validated.
func encoder(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) -> any SenseEncoder {
    guard let type = encoders.first(where: { $0.key == sense.encoder })?.value else {
        preconditionFailure("no encoder is called \(sense.encoder)")
    }
    return type.init(name, of: sense, for: model)
}
