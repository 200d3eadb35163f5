import Foundation
import Layers
import Memory
import Model
import Statistics
import Tensors
import Tokenization

/// A language model that answers questions and learns from corrections: what was corrected is recalled at once, before the question, and
/// learned by adapters beside the model's weights.
///
///     let teacher = try LanguageTeacher(path: "model.gguf", team: team)
///     try teacher.answer("Where is the key?")
///     try teacher.learn(Correction(question: "Where is the key?", answer: "Under the mat."))
///
/// It has one owner: it is not `Sendable`.
public final class LanguageTeacher {
    /// What an answer may draw on, besides the model's weights.
    public struct Means: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Corrections of similar questions.
        public static let memory = Means(rawValue: 1)
        /// The adapters that learned.
        public static let weights = Means(rawValue: 2)
    }

    /// What has been learned.
    public let learner: CorrectionLearner
    /// What is recalled.
    public private(set) var memory: CorrectionMemory
    /// The model's tokenizer.
    public let tokenizer: any Tokenizer
    private let format: ChatFormat
    private let bounds: TextBounds
    private let team: Team
    private let decoder: TextDecoder
    /// The parameters with adapters that have no effect.
    private let plain: ParameterStore<Float>
    /// The means that the decoder's parameters stand for; nil after a change of them.
    private var adopted: Means?
    private var random: RandomSource

    /// The number of recalled corrections before a question.
    public static let recalled = 2
    /// The maximal number of tokens of an answer.
    public static let answerLimit = 64
    /// The maximal number of tokens of a conversation.
    public static let contextLimit = 2_048

    /// Opens a model, whose weights stay as they are stored.
    ///
    /// - Parameters:
    ///   - path: a Hugging Face directory or a GGUF file.
    ///   - format: the format of conversations; nil for that of the tokenizer or the chat template.
    ///   - configuration: how corrections are learned.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, `ChatProblem`, or the error of opening a file.
    public init(
        path: String, format given: ChatFormat? = nil, _ configuration: CorrectionLearner.Configuration = .init(), team: Team = .solo
    ) throws {
        let files = try TrunkFiles(path: path)
        tokenizer = try openTokenizer(path: path)
        format = try given ?? ChatFormat(tokenizer, template: chatTemplate(path: path))
        bounds = try TextBounds(path: path, tokenizer: tokenizer, vocabularySize: files.trunk.vocabularySize)
        let isFile = files.isGGUF
        let model = try files.model(frozen: files.frozen(isFile ? .stored : .int8), adapters: configuration.adapters(of: files.trunk))
        learner = try CorrectionLearner(model, configuration, team: team)
        plain = model.parameters.copy()
        memory = CorrectionMemory(capacity: configuration.memory, tokenizer: tokenizer)
        self.team = team
        decoder = TextDecoder(model, contextLimit: Self.contextLimit, team: team)
        random = RandomSource(seed: UInt64(configuration.seed))
    }

    /// Learns a correction.
    /// - Returns: nil if a number was not finite; it is remembered then, but the weights are as before.
    /// - Throws: `ChatProblem`, if the question or the answer is empty.
    @discardableResult
    public func learn(_ correction: Correction) throws -> CorrectionLearner.Outcome? {
        let answer = tokenizer.encodeText(Array(correction.answer.utf8))
        guard !answer.isEmpty, let end = answerEnd else { throw ChatProblem.emptyMessage }
        let prompt = try prompt(correction.question)
        let variants = try self.variants(of: correction.question).map { try self.prompt($0) }
        memory.add(correction)
        adopted = nil
        return learner.learn(.init(prompt: prompt, variants: variants, answer: answer + [end], source: correction.source))
    }

    /// Forgets the corrections of a source: they are neither recalled nor replayed any more.
    @discardableResult
    public func forget(source: String) -> Int {
        learner.forget(source: source)
        return memory.forget(source: source)
    }

    /// Answers a question in a fresh conversation; the most likely token is taken each time.
    ///
    /// Recalled answers stand before the question, and their tokens are mixed into the model's distribution: with the weight of the
    /// similarity, the token that follows in the most similar answer where the text so far agrees with its beginning.
    /// - Returns: the text; nil if a logit was not finite.
    /// - Throws: `ChatProblem`.
    public func answer(_ question: String, by means: Means = [.memory, .weights]) throws -> String? {
        let recalled = means.contains(.memory) ? memory.recollection(of: question, limit: Self.recalled, end: answerEnd) : nil
        // A question that is like none of those corrected is answered as if nothing had been learned.
        adopt(means.contains(.memory) && recalled == nil ? [] : means)
        let tokens = try prompt(recalled?.question ?? question)
        decoder.forget(0)
        decoder.read(tokens.dropLast(), stream: 0)
        var written: [Int] = [], last = tokens[tokens.count - 1]
        while written.count < Self.answerLimit {
            decoder.advance([last])
            let logits = decoder.logits(of: 0)
            recalled?.mix(logits, after: written)
            guard let peak = logits.max(), peak.isFinite, let next = logits.firstIndex(of: peak) else { return nil }
            if ends.contains(next) { break }
            written.append(next)
            last = next
        }
        return String(decoding: (try? tokenizer.decode(written)) ?? [], as: UTF8.self)
    }

    /// The likelihood of a text, read in windows. Adapters are used, as for a question, where a correction is similar to the window's
    /// text; with `weights` alone, everywhere.
    /// - Parameters:
    ///   - text: its bytes.
    ///   - window: the tokens that are read together.
    /// - Throws: `Perplexity.Refusal`.
    public func likelihood(of text: [UInt8], by means: Means = [.memory, .weights], window: Int) throws -> Perplexity {
        let tokens = tokenizer.encode(text)
        let isLearned =
            means == .weights
            || means.contains(.weights)
                && stride(from: 0, to: tokens.count, by: window).contains { start in
                    let part = (try? tokenizer.decode(Array(tokens[start..<min(tokens.count, start + window)]))) ?? []
                    return !memory.recall(String(decoding: part, as: UTF8.self)).isEmpty
                }
        return try Perplexity(
            of: tokens, bytes: text.count, model: learner.model.trunk, parameters: isLearned ? learner.model.parameters : plain,
            window: window, stride: window, team: team)
    }

    private func adopt(_ means: Means) {
        guard adopted != means.intersection(.weights) else { return }
        adopted = means.intersection(.weights)
        decoder.adopt(means.contains(.weights) ? learner.model.parameters : plain)
    }

    private var ends: Set<Int> { bounds.ends.union(answerEnd.map { [$0] } ?? []) }
    private var answerEnd: Int? { format.markers.last.flatMap(tokenizer.specialToken) }

    private func prompt(_ question: String) throws -> [Int] {
        var conversation = try Conversation(format, tokenizer, bounds: bounds)
        try conversation.ask(Array(question.utf8))
        _ = try conversation.fit(in: min(Self.contextLimit, learner.model.trunk.positions), leaving: Self.answerLimit)
        return conversation.prompt
    }

    /// The number of other forms of a question that are learned.
    private static let variantCount = 6

    /// Other forms of a question, with some of its words left out, so that an answer does not hang on all of them.
    private func variants(of question: String) -> [String] {
        let words = question.split(separator: " ")
        return (0..<Self.variantCount).compactMap { _ in
            let kept = words.filter { _ in random.uniform() > 0.3 }
            return kept.isEmpty ? nil : kept.joined(separator: " ")
        }
    }
}
