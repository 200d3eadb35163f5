import Moments
import Configuration
import Memory
import Messaging
import Model
import Pipeline
import Schema
import Statistics
import Tensors
import Tokenization

/// Generates answers, one after another, to the moments that ask for one; published piece by piece on `answer.<session>/`.
///
/// In live mode an answer is advanced by `tokensPerTick` tokens at a time, on a queue of its own where there is an `AnswerQueue`. In
/// lockstep it is generated completely with the model of its moment's prediction, so equal streams give equal answers.
package struct Answers {
    /// The parameters that answers are generated with, and their version.
    package struct AnsweringModel {
        package var parameters: ParameterStore<Float>
        package var version: UInt64

        package init(parameters: ParameterStore<Float>, version: UInt64) {
            self.parameters = parameters
            self.version = version
        }
    }

    private struct Request {
        var moment: Moment
        /// The moment as received, and the senses to leave out.
        var input: MomentInput
        var muted: Set<String>
    }

    private let settings: AnswerSettings
    private let tokenMemory: TokenMemory.Configuration?
    private let seed: UInt64
    private let clock: any TimeSource
    private let decoder: MomentDecoder
    private let tokenizer: any Tokenizer
    /// The answers that were corrected.
    private var memory: CorrectionMemory
    /// The texts that came.
    private var texts: TokenMemory?
    private var waiting: [Request] = []
    private var current: Request?
    private var version: UInt64 = 0
    private var pieces: UInt32 = 0
    /// Set where answers are decisions.
    private var decider: TextDecider?
    private var policyVersion: UInt64 = 0
    private var text: [UInt8] = []
    /// Finds the sequences before which the current answer is to end.
    private var stops = StopFinder([])
    /// The number of finished answers.
    private(set) var answered: UInt64 = 0
    /// Moments that were not answered because too many waited, and answers that ended because the model's numbers are not finite.
    package private(set) var drops = Drops()

    /// - Returns: nil where the settings answer no moments.
    /// - Throws: the error of invalid settings of the model, or of opening the tokenizer.
    package init?(_ all: GraphSettings, clock: any TimeSource) throws {
        let settings = all.answer, model = all.model, tokenizer = all.signals.text.tokenizer
        guard !settings.after.isEmpty else { return nil }
        self.settings = settings
        seed = UInt64(all.seed)
        tokenMemory = all.learn.tokenMemory
        decider = try TextDecider(all)
        self.clock = clock
        self.tokenizer = tokenizer.isEmpty ? ByteTokenizer() : try openTokenizer(path: tokenizer)
        memory = CorrectionMemory(capacity: all.learn.corrections, tokenizer: self.tokenizer)
        decoder = MomentDecoder(
            try MultimodalModel(model), sampling: settings.sampling, maximumTokens: settings.maximumTokens, measures: decider != nil)
    }

    /// The gauges for a status: answers, and decisions where answers are decisions.
    package var gauges: [String: Double] {
        let decisions = decider.map { ["decisions": Double($0.decided), "policyVersion": Double($0.version)] } ?? [:]
        return decisions.merging(["answers": Double(answered)]) { $1 }
    }

    /// Adopts a published policy, where answers are decisions.
    package mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try decider?.adopt(update, payload: message)
    }

    /// The layout of the parameters that answers are generated with.
    var layout: ParameterLayout { decoder.layout }
    /// Whether no answer is being generated and none waits.
    var isIdle: Bool { current == nil && waiting.isEmpty }

    /// Replaces the corrections that are recalled.
    package mutating func adopt(_ update: MemoryUpdate) {
        adoptTexts(update)
        memory.assign(update.corrections.lazy.map { Correction(question: $0.question, answer: $0.answer, source: $0.source) })
    }

    /// Replaces the texts that are recalled. What does not fit the model is dropped, and the former stay.
    private mutating func adoptTexts(_ update: MemoryUpdate) {
        guard let configuration = tokenMemory, !update.texts.isEmpty else { return texts = nil }
        do {
            texts = try TokenMemory(Array(update.texts), vocabularySize: decoder.configuration.text.vocabulary, configuration)
        } catch {
            drops.count(.wrongModel, because: "\(error)")
        }
    }

    /// Queues a moment, if it asks for an answer.
    /// - Parameter muted: senses that are left out of the moment.
    package mutating func add(_ moment: Moment, _ input: MomentInput, without muted: Set<String> = []) {
        guard settings.answers(moment.kind) else { return }
        // Where answers are decisions, probabilities are learned from as they were drawn: by the settings' temperature.
        guard decider == nil || !moment.hasAnswer else { return drops.count(.unanswered) }
        waiting.append(Request(moment: moment, input: input, muted: muted))
        if waiting.count > settings.maximumWaiting {
            waiting.removeFirst()
            drops.count(.unanswered)
        }
    }

    /// Generates at most `tokensPerTick` tokens of the current answer, or of the next.
    package mutating func advance(_ model: AnsweringModel) -> [Outgoing] {
        if current == nil { begin(model) }
        if version != model.version, settings.adoption == .recompute, current != nil {
            decoder.adopt(model.parameters) { decider?.lay(over: $0) }
            version = model.version
        }
        return piece(of: settings.tokensPerTick)
    }

    /// Generates all waiting answers completely.
    package mutating func completeAll(_ model: AnsweringModel) -> [Outgoing] {
        var outputs: [Outgoing] = []
        while current != nil || !waiting.isEmpty {
            begin(model)
            outputs += piece(of: settings.maximumTokens)
        }
        return outputs
    }

    private mutating func begin(_ model: AnsweringModel) {
        guard !waiting.isEmpty else { return }
        let request = waiting.removeFirst()
        let (input, mixing) = recalling(for: request.input.without(request.muted)), wishes = request.moment.answer
        decoder.begin(
            input, with: model.parameters, seed: wishes.hasSeed ? wishes.seed : seed &+ request.moment.ordinal,
            sampling: settings.sampling(for: wishes),
            maximumTokens: wishes.hasMaximumTokens ? min(Int(wishes.maximumTokens), settings.maximumTokens) : nil,
            changing: { decider?.lay(over: $0) }, mixing: mixing)
        stops = StopFinder(wishes.stops.map { Array($0) })
        (version, policyVersion) = (model.version, decider?.version ?? 0)
        (pieces, text) = (0, [])
        current = request
    }

    /// The most corrections before a question.
    private static let recalled = 2

    /// A moment whose text is preceded by the answers that were corrected to similar ones, as far as they fit, and what changes the
    /// logits: the texts that came, then the most similar answer. Answers that are decisions follow their policy alone.
    private func recalling(for input: MomentInput) -> (MomentInput, MomentDecoder.Mixing?) {
        guard decider == nil else { return (input, nil) }
        let (whole, recollection) = recollecting(for: input)
        guard var reader = texts?.reader() else { return (whole, recollection.map { best in { best.mix($0, after: $1) } }) }
        return (
            whole,
            {
                reader.mix($0, after: $1)
                recollection?.mix($0, after: $1)
            }
        )
    }

    private func recollecting(for input: MomentInput) -> (MomentInput, Recollection?) {
        guard !memory.corrections.isEmpty, !input.text.isEmpty, let bytes = try? tokenizer.decode(input.text) else {
            return (input, nil)
        }
        let question = String(decoding: bytes, as: UTF8.self), configuration = decoder.configuration, turns = configuration.turns
        guard let best = memory.recollection(of: question, limit: 1, end: turns.end) else { return (input, nil) }
        var whole = input
        let room = configuration.text.length - turns.opening.count - turns.answering.count - best.copied.count
        for limit in (1...Self.recalled).reversed() {
            guard let longer = memory.recollection(of: question, limit: limit, end: turns.end) else { continue }
            let text = tokenizer.encodeText(Array(longer.question.utf8))
            guard text.count <= room else { continue }
            whole.text = text
            break
        }
        return (whole, best)
    }

    /// Generates at most `count` further tokens; the last piece states why the answer ended.
    private mutating func piece(of count: Int) -> [Outgoing] {
        guard let request = current else { return [] }
        var tokens: [Int] = [], bytes: [UInt8] = []
        while tokens.count < count, let token = decoder.next() {
            tokens.append(token)
            // A model's vocabulary may be wider than its tokenizer's; such a token has no bytes.
            let found = stops.pass((try? tokenizer.decode([token])) ?? [])
            bytes += found.bytes
            if found.isStopped { decoder.stop() }
        }
        if !decoder.isGenerating { bytes += stops.flush() }
        let answer = answer(to: request.moment, tokens, bytes)
        pieces += 1
        // the session was checked on its way in
        let outputs = (try? Topics.answer(request.moment.session)).map { [Outgoing(answer, on: $0)] } ?? []
        return decoder.isGenerating ? outputs : outputs + end(request, answer)
    }

    private mutating func answer(to moment: Moment, _ tokens: [Int], _ bytes: [UInt8]) -> Answer {
        text += bytes
        return Answer.with {
            $0.moment = moment.id
            $0.session = moment.session
            $0.ordinal = moment.ordinal
            $0.modelVersion = version
            $0.piece = pieces
            $0.tokens = tokens.map(UInt32.init)
            $0.promptTokens = UInt32(clamping: decoder.promptLength)
            $0.text = .init(bytes)
            $0.end = decoder.isGenerating ? "" : decoder.end?.rawValue ?? "notFinite"
            $0.latency = (clock.now - Instant(nanoseconds: moment.arrived)).inSeconds
        }
    }

    /// Ends the current answer; the messages beside its last piece.
    private mutating func end(_ request: Request, _ answer: Answer) -> [Outgoing] {
        current = nil
        if decoder.hasFailed { drops.count(.nonFinite) } else { answered += 1 }
        guard var decider else { return [] }
        defer { self.decider = decider }
        return decider.outgoing(
            .init(
                moment: request.moment, input: request.input, muted: request.muted, policyVersion: policyVersion, answer: answer, text: text
            ),
            decoder)
    }
}
