import Configuration
import Learn
import Model
import Schema
import Serving
import Statistics

extension MomentExplanation {
    /// What each modality gives to a recorded moment, by the model of a checkpoint.
    /// - Parameter checkpoint: a directory that a learner has written.
    /// - Throws: `SettingsError`, `FileDamage`, `SafetensorsError`.
    public init(_ moment: Moment, _ input: MomentInput, checkpoint: String, _ settings: GraphSettings) throws {
        let server = try ServingModel(settings.model, rows: 1, languageRows: 0)
        try CheckpointStore.copy(MultimodalModel(settings.model), of: checkpoint, into: server.parameters)
        self.init()
        session = moment.session
        self.moment = moment.id
        ordinal = moment.ordinal
        fill(server.explain(input, class: nil, exhaustively: true), attention: server.attention(of: input))
    }
}
