import Model
import OnlineLanguage
import Tensors
import Tokenization

/// A language model reads chats of tutors and students, predicts experts' replies, and learns each once; the same model, frozen, beside it.
///
/// The student's messages are the user's turns of the model's chat format, the tutor's are the assistant's, and so is the reply, whose
/// messages are lines of one turn.
public final class TutoringReplies {
    private let tokenizer: any Tokenizer
    private let format: ChatFormat
    private let bounds: TextBounds
    private let learner: ContinuationLearner, frozen: ContinuationLearner
    private let end: Int?

    /// The code lengths of a reply in bits, of the learning model, without its memory, and of the frozen one; and its length.
    public struct Reply: Sendable, Equatable {
        public var learned, withoutMemory, frozen: Double
        public var bytes: Int
    }

    /// The replies read so far.
    public private(set) var course: [Reply] = []

    /// The code lengths of the replies read so far: of the learning model, without its memory, and of the frozen one.
    public var learned: CodeLength { total(\.learned) }
    public var withoutMemory: CodeLength { total(\.withoutMemory) }
    public var baseline: CodeLength { total(\.frozen) }

    private func total(_ bits: KeyPath<Reply, Double>) -> CodeLength {
        course.reduce(into: CodeLength()) { $0.add(bits: $1[keyPath: bits], bytes: $1.bytes) }
    }

    /// - Parameters:
    ///   - path: a Hugging Face directory or a GGUF file of a model with a chat format.
    ///   - configuration: how replies are learned.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, `ChatProblem`, or the error of opening a file.
    public init(path: String, _ configuration: ContinuationLearner.Configuration = .init(), team: Team = .solo) throws {
        let files = try TrunkFiles(path: path)
        tokenizer = try openTokenizer(path: path)
        format = try ChatFormat(tokenizer, template: chatTemplate(path: path))
        bounds = try TextBounds(path: path, tokenizer: tokenizer, vocabularySize: files.trunk.vocabularySize)
        end = format.markers.last.flatMap(tokenizer.specialToken)
        let matrices = try files.frozen(files.isGGUF ? .stored : .int8)
        let model = try files.model(frozen: matrices, adapters: configuration.adapters(of: files.trunk))
        learner = try ContinuationLearner(model, configuration, team: team)
        frozen = try ContinuationLearner(files.model(frozen: matrices), configuration, learning: false, team: team)
    }

    /// Predicts the reply to a chat, then learns it.
    /// - Throws: `ChatProblem` or `TokenLearner.Refusal`.
    public func read(_ chat: TutoringChat) throws {
        let reply = Array(chat.reply.joined(separator: "\n").utf8)
        let example = ContinuationLearner.Example(prompt: try prompt(chat), continuation: tokenizer.encodeText(reply), end: end)
        let reading = try learner.read(example)
        course.append(
            Reply(
                learned: reading.bits, withoutMemory: reading.bitsWithoutMemory, frozen: try frozen.read(example).bits,
                bytes: reply.count))
    }

    private func prompt(_ chat: TutoringChat) throws -> [Int] {
        var conversation = try Conversation(format, tokenizer, bounds: bounds)
        for message in chat.messages {
            let text = Array(message.text.utf8)
            if message.isTutors { conversation.answer(tokenizer.encodeText(text)) } else { try conversation.ask(text) }
        }
        return conversation.prompt
    }
}
