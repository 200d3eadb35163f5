import Configuration
import Messaging
import Model
import Schema
import Serving

/// The referee's player with adapters: the same model, with the session's own numbers added where it has some.
struct PersonalEvaluator {
    private let server: ServingModel
    private var adapters: SessionAdapters
    private var version: (number: UInt64, epoch: UInt64)?

    /// Nil where sessions have no adapters of their own.
    init?(_ settings: GraphSettings) throws(ConfigurationProblem) {
        let server = try ServingModel(settings.model, rows: 1, language: false)
        guard let adapters = SessionAdapters(settings, server.layout) else { return nil }
        self.server = server
        self.adapters = adapters
    }

    mutating func insert(_ update: SessionUpdate, payload: WireMessage) throws(Refusal) { try adapters.insert(update, payload: payload) }

    /// One answer, of a model that has learned from nothing at or after the moment; without adapters that of the shared model.
    /// - Parameter words: the shared model's answer; adapters are for labels, and words are told without them.
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
