import Model
import Safetensors
import Schema

extension MomentExplanation {
    /// What each modality gives to a recorded moment, by the model of a checkpoint.
    /// - Parameter checkpoint: a directory with `model.safetensors`.
    /// - Throws: `ConfigurationProblem`, `SafetensorsError`.
    public init(_ moment: Moment, _ input: MomentInput, checkpoint: String, _ settings: Settings) throws {
        let server = try ServingModel(settings.model, rows: 1, language: false)
        try TensorArchive(mapping: checkpoint + "/model.safetensors").copy(into: server.parameters)
        self.init()
        session = moment.session
        self.moment = moment.id
        ordinal = moment.ordinal
        fill(server.explain(input, class: nil, exhaustively: true), attention: server.attention(of: input))
    }
}
