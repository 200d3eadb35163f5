import Layers
import Tensors

/// Encodes one sense's rows of features into a few tokens.
public protocol SenseEncoder: Layer {
    /// - Parameters:
    ///   - name: the prefix of all parameter names.
    ///   - sense: the shape of the features and of the encoder.
    ///   - model: the configuration of the whole model.
    init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration)

    /// Encodes a batch.
    /// values (batch·rows, columns), zeros in absent rows; mask (batch, rows), 1 where a row is present; gives (batch, tokens·width).
    func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S>
}

/// Every encoder, by the name that configurations use.
public let encoders: KeyValuePairs<String, any SenseEncoder.Type> = [
    "dense": DenseEncoder.self,
    "patches": PatchEncoder.self,
    "convolution": ConvolutionEncoder.self,
    "stem": StemEncoder.self,
]

/// The encoder named in a sense's configuration, which must have been validated.
func encoder(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) -> any SenseEncoder {
    guard let type = encoders.first(where: { $0.key == sense.encoder })?.value else {
        preconditionFailure("no encoder is called \(sense.encoder)")
    }
    return type.init(name, of: sense, for: model)
}
