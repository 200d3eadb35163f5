/// How a text is split into words before their bytes are merged. A new one is a case here and its pieces in `WordSplitter`.
public enum WordPattern: Sendable, Equatable {
    /// GPT-2's pattern.
    case gpt2
    /// Every digit by itself, then GPT-2's pattern between them: SmolLM's.
    case singleDigits
    /// Llama 3's pattern: contractions in any case, digits in threes, a mark before a word goes with it, line ends with what stands before them.
    case llama3
    /// The same with digits one by one: Qwen 2's.
    case qwen2

    /// The pattern that a `tokenizer.json` gives as a regular expression; nil for another.
    init?(expression: String) {
        switch expression {
        case Self.expression(digits: "\\p{N}{1,3}"): self = .llama3
        case Self.expression(digits: "\\p{N}"): self = .qwen2
        case Self.gpt2Expression: self = .gpt2
        default: return nil
        }
    }

    /// The pattern by `tokenizer.ggml.pre` of a GGUF file; nil for another.
    public init?(gguf name: String) {
        switch name {
        case "gpt-2", "default": self = .gpt2
        case "smollm": self = .singleDigits
        case "llama-bpe", "llama3", "llama-v3": self = .llama3
        case "qwen2": self = .qwen2
        default: return nil
        }
    }

    private static func expression(digits: String) -> String {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\(digits)| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    }

    private static let gpt2Expression = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
}
