import Files
import GGUF
import StrictJSON
import Tokenization

/// The tokens at which a model's texts begin and end.
public struct TextBounds: Sendable, Equatable {
    /// The first token of a text that would otherwise be empty; nil if the model has none.
    public var begin: Int?
    /// A text ends at any of these tokens.
    public var ends: Set<Int>
    /// Whether every text begins with `begin`, as the model's training texts did.
    public var beginsEveryText = false

    public init(begin: Int?, ends: Set<Int>) {
        self.begin = begin
        self.ends = ends
    }

    /// Reads `bos_token_id` and `eos_token_id` of a Hugging Face directory: from `generation_config.json` if it exists, else from
    /// `config.json`, as transformers does. Token ids outside the vocabulary are ignored.
    ///
    /// - Parameters:
    ///   - directory: its path.
    ///   - endOfText: the tokenizer's end-of-text token, used if no valid token is given.
    ///   - vocabularySize: the model's.
    /// - Throws: `CheckpointError`.
    public init(directory: String, endOfText: Int?, vocabularySize: Int) throws(CheckpointError) {
        let generation = "\(directory)/generation_config.json"
        let file = FileKind(of: generation) == nil ? "\(directory)/config.json" : generation
        guard let members = try JSON(file: file).object else { throw .malformed(file: file, "at byte 0: an object was expected") }
        func tokens(_ key: String) throws(CheckpointError) -> [Int] {
            let given = members[key] ?? .null
            let all = given == .null ? [] : (given.array ?? [given]).compactMap(\.integer)
            guard given == .null || all.count == given.array?.count ?? 1 else {
                throw .configuration(file: file, key: key, "is \(given.text()); a token's number or a list of them was expected")
            }
            return all.filter { (0..<vocabularySize).contains($0) }
        }
        let ends = try tokens("eos_token_id"), own = endOfText.flatMap { $0 < vocabularySize ? $0 : nil }
        begin = try tokens("bos_token_id").first ?? own
        self.ends = ends.isEmpty ? Set(own.map { [$0] } ?? []) : Set(ends)
    }

    /// Reads the bounds of a Hugging Face directory, or of a GGUF file: `bos_token_id`, `eos_token_id` and `eot_token_id` of its
    /// tokenizer. The end of a turn of known chat formats ends a text too.
    ///
    /// - Parameters:
    ///   - path: of the directory or file.
    ///   - tokenizer: the model's.
    ///   - vocabularySize: the model's.
    /// - Throws: `CheckpointError`, or `GGUFError` for a file.
    public init(path: String, tokenizer: any Tokenizer, vocabularySize: Int) throws {
        if FileKind(of: path) == .directory {
            try self.init(directory: path, endOfText: tokenizer.endOfText, vocabularySize: vocabularySize)
            let settings = "\(path)/tokenizer_config.json"
            let given = try FileKind(of: settings) == nil ? nil : JSON(file: settings)["add_bos_token"]?.bool
            if let given { beginsEveryText = given } else { assume(tokenizer) }
        } else {
            let metadata = try GGUFFile(mapping: path).metadata
            func token(_ key: String) -> Int? {
                metadata["tokenizer.ggml.\(key)_token_id"]?.integer.flatMap { (0..<vocabularySize).contains($0) ? $0 : nil }
            }
            self.init(begin: token("bos"), ends: Set(["eos", "eot"].compactMap(token)))
            if let given = metadata["tokenizer.ggml.add_bos_token"]?.bool { beginsEveryText = given } else { assume(tokenizer) }
        }
        let turns = ChatFormat.allCases.compactMap { tokenizer.specialToken($0.markers[$0.markers.count - 1]) }
        ends.formUnion(turns.filter { $0 < vocabularySize })
    }

    /// Llama 3's files do not say that texts begin with their first token.
    private mutating func assume(_ tokenizer: any Tokenizer) {
        beginsEveryText = begin != nil && begin == tokenizer.specialToken("<|begin_of_text|>")
    }

    /// The tokens of a text with the token that it begins with.
    public func begun(_ tokens: [Int]) -> [Int] {
        guard beginsEveryText, let begin, tokens.first != begin else { return tokens }
        return [begin] + tokens
    }
}
