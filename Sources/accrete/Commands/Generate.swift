import ArgumentParser
import Model
import StrictJSON
import Tokenization

/// `accrete generate`: continues a text with a model.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt with a language model, token by token.",
        discussion: """
            The most probable token is taken each time, unless a temperature is given. The text ends after --tokens, at a stop sequence, \
            where the model ends it, or when its context is full. Equal seeds give equal texts.

            The model ends a text with any eos_token_id of generation_config.json or, without this file, of config.json; if none of them \
            is in its vocabulary, with the tokenizer's <|endoftext|>; a GGUF file names its own. The end of a chat turn, <|im_end|> or \
            <|eot_id|>, ends it too. An empty prompt begins with bos_token_id. Other settings in generation_config.json, lengths and \
            sampling, are ignored; use the options.

            With --remember, the prompt is remembered, and what was remembered before is recalled word for word: `accrete model stream \
            --remember` reads a text into the same file and learns how far to trust it.

            Examples:
              accrete generate --model gpt2 --prompt 'Once upon a time'
              accrete generate --model smollm2.gguf --prompt 'Q: Why?' --temperature 0.8 --top-p 0.95 --stop 'Q:'
            """
    )

    @OptionGroup var options: GenerationOptions
    @OptionGroup var memories: RememberOption

    @Option(help: "The text to continue.")
    var prompt: String

    @Flag(help: "Print one JSON object at the end: text, tokens, end.")
    var json = false

    func run() throws {
        let (decoder, tokenizer, settings) = try options.open()
        let tokens = settings.bounds?.begun(tokenizer.encode(prompt)) ?? tokenizer.encode(prompt)
        var memory = try memories.open(vocabularySize: decoder.plan.vocabularySize), reader = memory?.reader(after: tokens)
        let generation = try Generation(decoder, tokenizer, prompts: [tokens], settings, seed: options.seed) { logits, added, _ in
            reader?.mix(logits, after: added)
        }
        var text: [UInt8] = []
        var end: Generation.End?
        if !json { try show(Array(prompt.utf8)) }
        while let pieces = try generation.next() {
            for piece in pieces {
                text += piece.bytes
                end = piece.end
                if !json { try show(piece.bytes) }
            }
        }
        memory?.keep(tokens)
        try memories.save(memory)
        if json {
            print(
                JSON.object([
                    "text": .string(String(decoding: text, as: UTF8.self)), "end": end.map { .string($0.rawValue) } ?? .null,
                    "tokens": .array(generation.added(to: 0).map(JSON.integer)),
                ]).text())
        } else {
            try show([UInt8(ascii: "\n")])
        }
    }
}
