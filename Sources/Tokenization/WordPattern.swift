/// The pre-tokenisation pattern: how a text is split into words before their bytes are merged. A new pattern is a case here and its
/// matching in `WordSplitter`.
public enum WordPattern: Sendable, Equatable {
    /// GPT-2's pattern.
    case gpt2
    /// SmolLM's pattern: every digit is a word, and the text between digits is split by GPT-2's pattern.
    case singleDigits
    /// Llama 3's pattern: contractions in upper or lower case, at most three digits in a word, a punctuation mark joined to the letters
    /// that follow it, line ends joined to the punctuation or white space before them.
    case llama3
    /// Qwen 2's pattern: that of Llama 3 with single digits.
    case qwen2

    /// The pattern of a regular expression in `tokenizer.json`; nil if it is not supported.
    init?(expression: String) {
        switch expression {
        case Self.expression(digits: "\\p{N}{1,3}"): self = .llama3
        case Self.expression(digits: "\\p{N}"): self = .qwen2
        case Self.gpt2Expression: self = .gpt2
        default: return nil
        }
    }

    /// The pattern of the value of `tokenizer.ggml.pre` in a GGUF file; nil if it is not supported.
    public init?(gguf name: String) {
        switch name {
        case "gpt-2", "default": self = .gpt2
        case "smollm": self = .singleDigits
        case "llama-bpe", "llama3", "llama-v3": self = .llama3
        case "qwen2": self = .qwen2
        default: return nil
        }
    }

    /// The value of `tokenizer.ggml.pre` in a GGUF file.
    public var ggufName: String {
        switch self {
        case .gpt2: "gpt-2"
        case .singleDigits: "smollm"
        case .llama3: "llama-bpe"
        case .qwen2: "qwen2"
        }
    }

    /// The regular expression in `tokenizer.json`; nil where a text is split by `ByteLevel` itself.
    var expression: String? {
        switch self {
        case .gpt2, .singleDigits: nil
        case .llama3: Self.expression(digits: "\\p{N}{1,3}")
        case .qwen2: Self.expression(digits: "\\p{N}")
        }
    }

    private static func expression(digits: String) -> String {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\(digits)"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    }

    private static let gpt2Expression = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
}
