import Configuration
import Learn
import Model
import Moments
import Schema
import Serving
import Statistics

extension MomentExplanation {
    /// What each modality, and each part of it, gives to a recorded moment, by the model of a checkpoint.
    /// - Parameter checkpoint: a directory that a learner has written.
    /// - Throws: `SettingsError`, `FileDamage`, `SafetensorsError`.
    public init(_ moment: Moment, _ input: MomentInput, checkpoint: String, _ settings: GraphSettings) throws {
        let server = try ServingModel(settings.model, rows: 1, languageRows: 0)
        try CheckpointStore.copy(MultimodalModel(settings.model), of: checkpoint, into: server.parameters)
        self.init()
        session = moment.session
        self.moment = moment.id
        ordinal = moment.ordinal
        let explanation = server.explain(input, class: nil, exhaustively: true)
        fill(explanation, attention: server.attention(of: input))
        let words = try TextBytes(tokenizer: settings.signals.text.tokenizer)
        fill(
            server.explainParts(input, class: explanation.decided), of: input, words: { words.bytes(of: Array($0)) }, withFeatures: true)
    }
}
