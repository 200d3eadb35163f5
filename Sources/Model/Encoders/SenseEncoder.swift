import Layers
import Tensors

/// Encodes one sense's rows of features into a few tokens.
public protocol SenseEncoder: Layer {
    /// Whether it multiplies rows by the mask, which may then lie between 0 and 1; otherwise the mask only hides rows.
    static var scalesByMask: Bool { get }

    /// - Parameters:
    ///   - name: the prefix of all parameter names.
    ///   - sense: the shape of the features and of the encoder.
    ///   - model: the configuration of the whole model.
    init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration)

    /// Encodes a batch.
    /// values (batch·rows, columns), zeros in absent rows; mask (batch, rows), 1 where a row is present; gives (batch, tokens·width).
    func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S>
}

extension SenseEncoder {
    public static var scalesByMask: Bool { false }
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
    encoderType(of: sense).init(name, of: sense, for: model)
}

/// Whether the encoder of a sense, which must have been validated, multiplies rows by the mask.
func scalesByMask(_ sense: MultimodalConfiguration.Sense) -> Bool { encoderType(of: sense).scalesByMask }

private func encoderType(of sense: MultimodalConfiguration.Sense) -> any SenseEncoder.Type {
    guard let type = encoders.first(where: { $0.key == sense.encoder })?.value else {
        preconditionFailure("no encoder is called \(sense.encoder)")
    }
    return type
}
