import Configuration
import Messaging
import Model
import Schema
import Serving
import Statistics

/// The evaluated model with adapters: the shared model, with the session's own offsets added where it has some.
struct PersonalEvaluator {
    private let server: ServingModel
    private var adapters: SessionAdapters
    private var version: (number: UInt64, epoch: UInt64)?

    /// Nil where sessions have no adapters.
    /// - Throws: `SettingsError` where the model's settings are invalid; as `SessionAdapters.init` does.
    init?(_ settings: GraphSettings) throws {
        let server = try ServingModel(settings.model, rows: 1, languageRows: 0)
        guard let adapters = try SessionAdapters(settings, server.layout) else { return nil }
        self.server = server
        self.adapters = adapters
    }

    /// Keeps an update of a session's adapters.
    /// - Throws: as `SessionAdapters.insert` does.
    mutating func insert(_ update: SessionUpdate, payload: WireMessage) throws(Refusal) { try adapters.insert(update, payload: payload) }

    /// One prediction, of a model that has not learned from the moment or later ones; without adapters that of the shared model.
    /// - Parameters:
    ///   - serving: the update that `shared` has the parameters of.
    ///   - words: the shared model's prediction; adapters are for labels, so the text's likelihood is taken from it.
    mutating func answers(
        to input: MomentInput, of moment: Moment, serving: ModelUpdate, _ shared: ServingModel, words: ServingModel.Answer
    ) -> [ServingModel.Answer] {
        if version?.number != serving.version || version?.epoch != serving.stamp.epoch {
            server.parameters.assign(from: shared.parameters)
            version = (serving.version, serving.stamp.epoch)
        }
        _ = adapters.apply(moment.session, ordinal: moment.ordinal, version: serving.version, on: server.parameters)
        defer { adapters.revert(server.parameters) }
        var answer = server.predict([.init(input)])[0]
        (answer.tokenNLL, answer.tokens) = (words.tokenNLL, words.tokens)
        return [answer]
    }
}
