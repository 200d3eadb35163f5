import ArgumentParser
import Files
import Model
import StrictJSON
import Tokenization

/// `accrete tokenize`: converts text to a model's tokens and back.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the token ids of the text on standard input, or the text of token ids.",
        discussion: """
            The directory must contain a tokenizer's files: tokenizer.json, or vocab.json and merges.txt. If it has neither, every byte is \
            a token. A text may be any sequence of bytes; decoding restores it exactly.

            Examples:
              echo -n 'Hello world' | accrete tokenize --model gpt2
              echo '[15496, 995]' | accrete tokenize --model gpt2 --decode --json
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face directory, or a GGUF file.", valueName: "dir"))
    var model: String

    @Flag(help: "Read token ids from standard input and write their bytes.")
    var decode = false

    @Flag(help: "Print the ids, or read them, as one JSON array.")
    var json = false

    func run() throws {
        let tokenizer = try openTokenizer(path: model)
        let input = try readStandardInput(atMost: textLimit)
        let output = decode ? try tokenizer.decode(ids(in: input)) : Array(text(of: tokenizer.encode(input)).utf8)
        try StandardOutput.write(output)
    }

    private func text(of ids: [Int]) -> String {
        let ids = ids.map(String.init)
        return json ? "[\(ids.joined(separator: ", "))]\n" : ids.joined(separator: " ") + "\n"
    }

    private func ids(in input: [UInt8]) throws -> [Int] {
        if json {
            var ids: [Int] = []
            do {
                try JSONScanner.read(input) { try $0.array { ids.append(try $0.integer()) } }
            } catch {
                throw ValidationError("Standard input is not one JSON array of ids, \(error).")
            }
            return ids
        }
        return try String(decoding: input, as: UTF8.self).split(whereSeparator: \.isWhitespace).map { word in
            guard let id = Int(word) else { throw ValidationError("\"\(word.prefix(40))\" on standard input is not an id.") }
            return id
        }
    }
}
