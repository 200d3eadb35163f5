import Model
import Pipeline
import Schema
import Tensors
import Tokenization

/// Answers, one after another, to the moments that ask; told piece by piece on `answer.<session>/`.
///
/// Live, an answer goes on by so many tokens a tick, after the predictions: they never wait for all of it. In lockstep it is given
/// whole with the model that its moment's prediction was made with, so equal streams give equal answers.
struct Answers {
    /// The model that answers, and its version.
    struct Speaker {
        var parameters: ParameterStore<Float>
        var version: UInt64
    }

    private struct Asked {
        var moment: Moment
        var input: MomentInput
    }

    private let settings: AnswerSettings
    private let seed: UInt64
    private let clock: any TimeSource
    private let voice: MomentVoice
    private let tokenizer: any Tokenizer
    private var waiting: [Asked] = []
    private var current: Asked?
    private var version: UInt64 = 0
    private var pieces: UInt32 = 0
    /// Answers given to their end.
    private(set) var answered: UInt64 = 0
    /// Moments that were never answered because too many waited, and answers that broke off because the model's numbers are not finite.
    private(set) var drops = Drops()

    /// - Returns: nil where the settings answer nothing.
    /// - Parameter tokenizer: directory of the words' tokenizer; empty: bytes.
    /// - Throws: what is wrong with the model's settings, or with the tokenizer.
    init?(_ settings: AnswerSettings, model: MultimodalConfiguration, tokenizer: String = "", seed: UInt64, clock: any TimeSource) throws {
        guard !settings.after.isEmpty else { return nil }
        self.settings = settings
        self.seed = seed
        self.clock = clock
        self.tokenizer = tokenizer.isEmpty ? ByteTokenizer() : try openTokenizer(directory: tokenizer)
        voice = MomentVoice(try MultimodalModel(model), sampling: settings.sampling, maximumTokens: settings.maximumTokens)
    }

    /// Notes a moment, if it asks.
    mutating func hear(_ moment: Moment, _ input: MomentInput) {
        guard settings.answers(moment.kind) else { return }
        waiting.append(Asked(moment: moment, input: input))
        if waiting.count > settings.maximumWaiting {
            waiting.removeFirst()
            drops.count(.unanswered)
        }
    }

    /// At most `tokensPerTick` tokens of the answer under way, or of the next.
    mutating func speak(_ speaker: Speaker) -> [Outgoing] {
        if current == nil { begin(speaker) }
        if version != speaker.version, settings.adoption == .recompute, current != nil {
            voice.adopt(speaker.parameters)
            version = speaker.version
        }
        return piece(of: settings.tokensPerTick).map { [$0] } ?? []
    }

    /// Every waiting answer, whole.
    mutating func speakToTheEnd(_ speaker: Speaker) -> [Outgoing] {
        var outputs: [Outgoing] = []
        while current != nil || !waiting.isEmpty {
            begin(speaker)
            if let answer = piece(of: settings.maximumTokens) { outputs.append(answer) }
        }
        return outputs
    }

    private mutating func begin(_ speaker: Speaker) {
        guard !waiting.isEmpty else { return }
        let asked = waiting.removeFirst()
        voice.begin(asked.input, with: speaker.parameters, seed: seed &+ asked.moment.ordinal)
        version = speaker.version
        pieces = 0
        current = asked
    }

    /// So many further tokens; the last piece says why nothing follows.
    private mutating func piece(of count: Int) -> Outgoing? {
        guard let moment = current?.moment else { return nil }
        var tokens: [Int] = []
        while tokens.count < count, let token = voice.next() { tokens.append(token) }
        let isLast = !voice.isSpeaking
        let answer = Answer.with {
            $0.moment = moment.id
            $0.session = moment.session
            $0.ordinal = moment.ordinal
            $0.modelVersion = version
            $0.piece = pieces
            $0.tokens = tokens.map(UInt32.init)
            // A model's vocabulary may be wider than its tokenizer's; such a token has no bytes.
            $0.text = (try? tokenizer.decode(tokens)).map { .init($0) } ?? .init()
            $0.end = isLast ? voice.end?.rawValue ?? "notFinite" : ""
            $0.latency = Double(clock.now.nanoseconds - moment.arrived) / 1e9
        }
        pieces += 1
        if isLast {
            current = nil
            if voice.isBroken { drops.count(.nonFinite) } else { answered += 1 }
        }
        return (try? Topics.answer(moment.session)).map { Outgoing(answer, on: $0) }  // the session was checked on its way in
    }
}
