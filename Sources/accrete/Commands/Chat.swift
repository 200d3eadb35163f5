import ArgumentParser
import Files
import Foundation
import Model
import Pipeline
import StrictJSON
import Synchronization
import Tokenization

/// `accrete chat`: a conversation with a model.
struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a language model in the terminal.",
        discussion: """
            Every line is a message; an empty one is ignored. Control-C stops an answer, which stays in the conversation as far as it \
            goes; at the prompt, or twice, it ends the program, as the end of input does.

            Roles are marked by special tokens, in the format chatml (<|im_start|>) or llama3 (<|start_header_id|>), whichever the model \
            was trained with. Special tokens in a message are read as plain text, so it cannot pretend to be another role's.

            When the conversation does not fit in the model's context any more, its oldest turns are dropped, which is said; the system \
            message and the last question remain.

            With --remember, what you say is remembered and recalled word for word in this conversation and in later ones.

            Examples:
              accrete chat --model models/smollm2-135m-instruct.gguf --system 'You answer in one sentence.'
              echo 'What is the capital of France?' | accrete chat --model smollm2.gguf --json --temperature 0.7
            """
    )

    @OptionGroup var options: GenerationOptions
    @OptionGroup var memories: RememberOption

    @Option(help: "The system message before the conversation.")
    var system: String?

    @Option(help: "chatml or llama3; without it, the one that the model was trained with.")
    var format: ChatFormat?

    @Flag(help: "Take special tokens in messages as such.")
    var special = false

    @Flag(help: "Print one JSON object for each line of standard input: text, tokens, end, droppedTurns.")
    var json = false

    /// The maximal size of a message, in bytes.
    private static let messageLimit = 1 << 20
    /// The part of the context that is left for an answer: at most one in so many tokens.
    private static let roomDivisor = 4

    func run() throws {
        let (decoder, tokenizer, settings) = try options.open()
        let format = try format ?? ChatFormat(tokenizer, template: chatTemplate(path: options.model))
        var bounds = settings.bounds ?? TextBounds(begin: nil, ends: [])
        var conversation = try Conversation(format, tokenizer, bounds: bounds, system: system, takesSpecialTokens: special)
        bounds.ends = conversation.ends
        var chatSettings = settings
        chatSettings.bounds = bounds
        let room = max(1, min(settings.maximumTokens, decoder.positions / Self.roomDivisor))
        let control = ControlC()
        var memory = try memories.open(vocabularySize: decoder.plan.vocabularySize)
        var answers: UInt64 = 0
        while true {
            if !json, isatty(STDIN_FILENO) != 0 { try show(Array("> ".utf8)) }
            let line: [UInt8]
            do throws(FileError) {
                guard let read = try StandardInput.line(atMost: Self.messageLimit) else { break }
                line = read
            } catch {
                try complain("\(error)")
                continue
            }
            guard line.contains(where: { $0 > 0x20 }) else { continue }
            let dropped: Int
            do throws(ChatProblem) {
                try conversation.ask(line)
                dropped = try conversation.fit(in: decoder.positions, leaving: room)
            } catch {
                conversation.withdraw()
                try complain("\(error)")
                continue
            }
            if dropped > 0, !json { StandardError.write("The oldest \(dropped) turns no longer fit in the context and are dropped.\n") }
            control.isAnswering = true
            var reader = memory?.reader()
            let generation = try Generation(
                decoder, tokenizer, prompts: [conversation.prompt], chatSettings, seed: options.seed &+ answers, keepingCache: true
            ) { logits, added, _ in reader?.mix(logits, after: added) }
            memory?.keep(tokenizer.encodeText(line))
            let (text, end) = try answer(generation, until: control)
            control.isAnswering = false
            answers += 1
            conversation.answer(generation.added(to: 0))
            try memories.save(memory)
            if json {
                try StandardOutput.writeNow(
                    JSON.object([
                        "text": .string(String(decoding: text, as: UTF8.self)), "end": .string(end?.rawValue ?? "interrupted"),
                        "tokens": .array(generation.added(to: 0).map(JSON.integer)), "droppedTurns": .integer(dropped),
                    ]).text() + "\n")
            } else {
                try show([UInt8(ascii: "\n")])
            }
        }
    }

    /// Generates an answer and shows it as it comes.
    /// - Returns: its text, and why it ended; nil if it was stopped.
    private func answer(_ generation: Generation, until control: ControlC) throws -> (text: [UInt8], end: Generation.End?) {
        var text: [UInt8] = []
        var end: Generation.End?
        while !control.isStopped, let pieces = try generation.next() {
            for piece in pieces {
                text += piece.bytes
                end = piece.end
                if !json { try show(piece.bytes) }
            }
        }
        return (text, end)
    }

    /// Says why a message got no answer.
    private func complain(_ problem: String) throws {
        if json {
            try StandardOutput.writeNow(JSON.object(["error": .string(problem)]).text() + "\n")
        } else {
            StandardError.write("Error: \(problem)\n")
        }
    }
}

/// Control-C: stops an answer; ends the program at the prompt, or if an answer was asked to stop before.
private final class ControlC: Sendable {
    private let answering = Atomic<Bool>(false)
    private let stopped = Atomic<Bool>(false)
    private let interrupts = Mutex<Interrupts?>(nil)

    init() {
        interrupts.withLock { interrupts in
            interrupts = Interrupts(on: [SIGINT]) { [weak self] in self?.press() }
        }
    }

    private func press() {
        let isAnswering = answering.load(ordering: .sequentiallyConsistent)
        if isAnswering, !stopped.exchange(true, ordering: .sequentiallyConsistent) { return }
        StandardError.write("\n")
        exit(isAnswering ? 128 + SIGINT : 0)
    }

    /// Whether an answer is being generated.
    var isAnswering: Bool {
        get { answering.load(ordering: .sequentiallyConsistent) }
        set {
            stopped.store(false, ordering: .sequentiallyConsistent)
            answering.store(newValue, ordering: .sequentiallyConsistent)
        }
    }

    /// Whether the answer shall stop.
    var isStopped: Bool { stopped.load(ordering: .sequentiallyConsistent) }
}

extension ChatFormat: ExpressibleByArgument {}
