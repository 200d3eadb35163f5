import Moments
import Configuration
import Messaging
import Model
import Pipeline
import Schema
import Statistics
import Tensors
import Tokenization

/// Answers, one after another, to the moments that ask; told piece by piece on `answer.<session>/`.
///
/// Live, an answer goes on by so many tokens a tick, after the predictions: they never wait for all of it. In lockstep it is given
/// whole with the model that its moment's prediction was made with, so equal streams give equal answers.
package struct Answers {
    /// The model that answers, and its version.
    package struct Speaker {
        package var parameters: ParameterStore<Float>
        package var version: UInt64

        package init(parameters: ParameterStore<Float>, version: UInt64) {
            self.parameters = parameters
            self.version = version
        }
    }

    private struct Asked {
        var moment: Moment
        /// As it came, and what is left out of it.
        var input: MomentInput
        var muted: Set<String>
    }

    private let settings: AnswerSettings
    private let seed: UInt64
    private let clock: any TimeSource
    private let decoder: MomentDecoder
    private let tokenizer: any Tokenizer
    private var waiting: [Asked] = []
    private var current: Asked?
    private var version: UInt64 = 0
    private var pieces: UInt32 = 0
    /// Where answers are decisions.
    private var decider: TextDecider?
    private var policyVersion: UInt64 = 0
    private var text: [UInt8] = []
    /// Answers given to their end.
    private(set) var answered: UInt64 = 0
    /// Moments that were never answered because too many waited, and answers that broke off because the model's numbers are not finite.
    package private(set) var drops = Drops()

    /// - Returns: nil where the settings answer nothing.
    /// - Throws: what is wrong with the model's settings, or with the words' tokenizer.
    package init?(_ all: GraphSettings, clock: any TimeSource) throws {
        let settings = all.answer, model = all.model, tokenizer = all.signals.text.tokenizer
        guard !settings.after.isEmpty else { return nil }
        self.settings = settings
        seed = UInt64(all.seed)
        decider = try TextDecider(all)
        self.clock = clock
        self.tokenizer = tokenizer.isEmpty ? ByteTokenizer() : try openTokenizer(directory: tokenizer)
        decoder = MomentDecoder(
            try MultimodalModel(model), sampling: settings.sampling, maximumTokens: settings.maximumTokens, measures: decider != nil)
    }

    package var gauges: [String: Double] {
        let decisions = decider.map { ["decisions": Double($0.decided), "policyVersion": Double($0.version)] } ?? [:]
        return decisions.merging(["answers": Double(answered)]) { $1 }
    }

    package mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try decider?.adopt(update, payload: message)
    }

    /// Notes a moment, if it asks.
    /// - Parameter muted: senses that are left out of what is answered.
    package mutating func hear(_ moment: Moment, _ input: MomentInput, without muted: Set<String> = []) {
        guard settings.answers(moment.kind) else { return }
        waiting.append(Asked(moment: moment, input: input, muted: muted))
        if waiting.count > settings.maximumWaiting {
            waiting.removeFirst()
            drops.count(.unanswered)
        }
    }

    /// At most `tokensPerTick` tokens of the answer under way, or of the next.
    package mutating func speak(_ speaker: Speaker) -> [Outgoing] {
        if current == nil { begin(speaker) }
        if version != speaker.version, settings.adoption == .recompute, current != nil {
            decoder.adopt(speaker.parameters) { decider?.lay(over: $0) }
            version = speaker.version
        }
        return piece(of: settings.tokensPerTick)
    }

    /// Every waiting answer, whole.
    package mutating func speakToTheEnd(_ speaker: Speaker) -> [Outgoing] {
        var outputs: [Outgoing] = []
        while current != nil || !waiting.isEmpty {
            begin(speaker)
            outputs += piece(of: settings.maximumTokens)
        }
        return outputs
    }

    private mutating func begin(_ speaker: Speaker) {
        guard !waiting.isEmpty else { return }
        let asked = waiting.removeFirst()
        decoder.begin(asked.input.without(asked.muted), with: speaker.parameters, seed: seed &+ asked.moment.ordinal) {
            decider?.lay(over: $0)
        }
        (version, policyVersion) = (speaker.version, decider?.version ?? 0)
        (pieces, text) = (0, [])
        current = asked
    }

    /// So many further tokens; the last piece says why nothing follows.
    private mutating func piece(of count: Int) -> [Outgoing] {
        guard let asked = current else { return [] }
        var tokens: [Int] = []
        while tokens.count < count, let token = decoder.next() { tokens.append(token) }
        let answer = answer(to: asked.moment, tokens)
        pieces += 1
        // the session was checked on its way in
        let told = (try? Topics.answer(asked.moment.session)).map { [Outgoing(answer, on: $0)] } ?? []
        return decoder.isGenerating ? told : told + end(asked, answer)
    }

    private mutating func answer(to moment: Moment, _ tokens: [Int]) -> Answer {
        // A model's vocabulary may be wider than its tokenizer's; such a token has no bytes.
        let bytes = (try? tokenizer.decode(tokens)) ?? []
        text += bytes
        return Answer.with {
            $0.moment = moment.id
            $0.session = moment.session
            $0.ordinal = moment.ordinal
            $0.modelVersion = version
            $0.piece = pieces
            $0.tokens = tokens.map(UInt32.init)
            $0.text = .init(bytes)
            $0.end = decoder.isGenerating ? "" : decoder.end?.rawValue ?? "notFinite"
            $0.latency = Double(clock.now.nanoseconds.clampedSubtracting(moment.arrived)) / 1e9
        }
    }

    /// What there is to tell beside the last piece.
    private mutating func end(_ asked: Asked, _ answer: Answer) -> [Outgoing] {
        current = nil
        if decoder.hasFailed { drops.count(.nonFinite) } else { answered += 1 }
        guard var decider else { return [] }
        defer { self.decider = decider }
        return decider.outgoing(
            .init(moment: asked.moment, input: asked.input, muted: asked.muted, policyVersion: policyVersion, answer: answer, text: text),
            decoder)
    }
}
