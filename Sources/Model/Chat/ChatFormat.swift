import Files
import GGUF
import StrictJSON
import Tokenization

/// How the turns of a conversation are written as tokens. Roles and ends of turns are special tokens, which no text can forge.
public enum ChatFormat: String, Sendable, CaseIterable {
    /// `<|im_start|>role`, a line break, the text, `<|im_end|>`, a line break; used by SmolLM2 and Qwen2.
    case chatML = "chatml"
    /// `<|start_header_id|>role<|end_header_id|>`, two line breaks, the text without white space around it, `<|eot_id|>`; Llama 3's.
    case llama3

    /// The special tokens that the format needs.
    public var markers: [String] {
        switch self {
        case .chatML: ["<|im_start|>", "<|im_end|>"]
        case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
        }
    }

    /// The format of a model: the one whose special tokens its tokenizer has; of several, the one that its chat template mentions.
    /// - Throws: `ChatProblem.unknownFormat`.
    public init(_ tokenizer: any Tokenizer, template: String?) throws(ChatProblem) {
        let possible = Self.allCases.filter { format in format.markers.allSatisfy { tokenizer.specialToken($0) != nil } }
        let named = possible.filter { format in template.map { $0.contains(format.markers[0]) } ?? false }
        guard let format = named.count == 1 ? named.first : possible.count == 1 && template == nil ? possible.first : nil else {
            throw .unknownFormat
        }
        self = format
    }
}

/// Why a conversation cannot be held with a model.
public enum ChatProblem: Error, Equatable, CustomStringConvertible {
    case unknownFormat
    case missingMarker(String, format: ChatFormat)
    case emptyMessage
    case tooLong(tokens: Int, positions: Int)

    public var description: String {
        switch self {
        case .unknownFormat:
            "the model's chat format is not known; give one by --format: "
                + ChatFormat.allCases.map(\.rawValue).joined(separator: " or ")
        case .missingMarker(let marker, let format):
            "the tokenizer has no special token \(marker), which the format \(format.rawValue) needs"
        case .emptyMessage: "the message is empty"
        case .tooLong(let tokens, let positions):
            "the message, with the system's, has \(tokens) tokens, and leaves no room for an answer in the model's context of \(positions)"
        }
    }
}

/// The chat template that comes with a model, in the language Jinja; nil if there is none. It is only searched for known tokens.
///
/// - Parameter path: a GGUF file or a Hugging Face directory.
/// - Throws: `GGUFError` or `CheckpointError`, if a file is malformed.
public func chatTemplate(path: String) throws -> String? {
    guard FileKind(of: path) == .directory else { return try GGUFFile(mapping: path).metadata["tokenizer.chat_template"]?.string }
    let template = "\(path)/chat_template.jinja", settings = "\(path)/tokenizer_config.json"
    if FileKind(of: template) != nil {
        do { return String(decoding: try readFile(template, atMost: templateLimit), as: UTF8.self) } catch {
            throw CheckpointError.unreadable(file: template, error.cause)
        }
    }
    guard FileKind(of: settings) != nil else { return nil }
    let given = try JSON(file: settings)["chat_template"]
    return given?.string ?? given?.array?.first { $0["name"]?.string == "default" }?["template"]?.string
}

/// The maximum size of a template's file, in bytes.
private let templateLimit = 1 << 20
