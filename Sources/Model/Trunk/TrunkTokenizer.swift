import Files
import GGUF
import Tokenization

/// Opens the tokenizer of a Hugging Face directory or of a GGUF file.
/// - Throws: `TokenizationError`; `GGUFError` or `GGUFModelError` for a file.
public func openTokenizer(path: String) throws -> any Tokenizer {
    guard FileKind(of: path) == .regular else { return try openTokenizer(directory: path) }
    return try ByteLevelBPE(GGUFFile(mapping: path))
}

extension ByteLevelBPE {
    /// The byte-level BPE tokenizer of a GGUF file.
    convenience init(_ file: GGUFFile) throws {
        func refuse(_ problem: String) -> GGUFModelError { GGUFModelError(source: file.source, problem: problem) }
        let kind = file.metadata["tokenizer.ggml.model"]?.string ?? "missing"
        guard kind == "gpt2" else { throw refuse("tokenizer.ggml.model is \(kind); only gpt2, byte-level BPE, is known") }
        let name = file.metadata["tokenizer.ggml.pre"]?.string ?? "default"
        guard let pattern = WordPattern(gguf: name) else { throw refuse("tokenizer.ggml.pre is \(name), which is not known") }
        guard let words = file.metadata["tokenizer.ggml.tokens"]?.strings, let merges = file.metadata["tokenizer.ggml.merges"]?.strings
        else {
            throw refuse("tokenizer.ggml.tokens or tokenizer.ggml.merges is missing")
        }
        let kinds = file.metadata["tokenizer.ggml.token_type"]?.integers ?? []
        guard kinds.isEmpty || kinds.count == words.count else {
            throw refuse("tokenizer.ggml.token_type has \(kinds.count) kinds for \(words.count) words")
        }
        let end = file.metadata["tokenizer.ggml.eos_token_id"]?.integer
        if let end, !words.indices.contains(end) { throw refuse("tokenizer.ggml.eos_token_id is \(end) of \(words.count) words") }
        try self.init(
            words: words, special: kinds.indices.filter { kinds[$0] == Self.control || kinds[$0] == Self.userDefined }, merges: merges,
            endOfText: end,
            pattern: pattern, addsPrefixSpace: file.metadata["tokenizer.ggml.add_space_prefix"]?.bool ?? false, source: file.source)
    }

    private static let control = 3, userDefined = 4
}
