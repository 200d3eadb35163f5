/// A byte-level BPE tokenizer as lists: what a GGUF file contains, and what Hugging Face's files are made of.
///
/// The flags `lstrip`, `rstrip`, `single_word` and `normalized` of added tokens have no place in it, nor has a normalizer.
public struct TokenizerLists: Sendable, Equatable {
    /// The kind of a token, by the numbers of `tokenizer.ggml.token_type`.
    public enum Kind: Int, Sendable {
        case normal = 1
        /// A special token, which is not part of a text.
        case control = 3
        /// Another token that is found in a text before it is split into words.
        case userDefined = 4
        /// An id without a token.
        case unused = 5
    }

    /// By id: words in GPT-2's byte alphabet; the contents of added tokens.
    public var words: [String]
    /// By id.
    public var kinds: [Kind]
    /// "left right", in the order of their ranks.
    public var merges: [String]
    public var pattern: WordPattern
    /// Whether a word of the vocabulary becomes its token directly, without merging its bytes.
    public var ignoresMerges: Bool
    /// Whether a text that does not begin with a space gets one.
    public var addsPrefixSpace: Bool
    /// Whether a text gets the token `roles[.beginning]` in front.
    public var addsBeginning: Bool
    /// The ids of tokens with a role.
    public var roles: [Role: Int]
    /// The template that renders a chat as text.
    public var chatTemplate: String?

    /// The role of a token, by its key in `tokenizer_config.json`.
    public enum Role: String, Sendable, CaseIterable {
        case beginning = "bos_token", end = "eos_token", unknown = "unk_token", padding = "pad_token"
    }

    public init(
        words: [String], kinds: [Kind], merges: [String], pattern: WordPattern, ignoresMerges: Bool? = nil, addsPrefixSpace: Bool = false,
        addsBeginning: Bool = false, roles: [Role: Int] = [:], chatTemplate: String? = nil
    ) {
        precondition(words.count == kinds.count && roles.values.allSatisfy(words.indices.contains), "\(words.count) words, \(roles)")
        self.words = words
        self.kinds = kinds
        self.merges = merges
        self.pattern = pattern
        self.ignoresMerges = ignoresMerges ?? (pattern == .llama3)
        self.addsPrefixSpace = addsPrefixSpace
        self.addsBeginning = addsBeginning
        self.roles = roles
        self.chatTemplate = chatTemplate
    }

    /// Reads the tokenizer of a Hugging Face directory, of the same files as `openTokenizer(directory:)`.
    /// - Throws: `TokenizationError`, also if the directory has no `tokenizer.json` and no `vocab.json` with `merges.txt`.
    public init(directory: String) throws {
        guard let (parts, settings) = try readTokenizer(directory: directory) else {
            throw TokenizationError.unreadable(
                file: "\(directory)/tokenizer.json",
                "it is missing, and so are vocab.json and merges.txt; bytes as tokens have no such files")
        }
        let table = try parts.vocabulary.table(parts.files.vocabulary)
        _ = try parts.merges.table(of: table, parts.files.merges)
        var added = AddedTokens()
        added.add(parts.added, to: table)
        added.add(settings.tokens, to: table)
        let size = added.tokens.reduce(table.size) { max($0, $1.id + 1) }
        var words = [String?](repeating: nil, count: size), kinds = [Kind](repeating: .unused, count: size)
        for (word, token) in table.spelled { (words[token], kinds[token]) = (word, .normal) }
        for token in added.tokens {
            if let word = words[token.id], word != token.content {
                throw TokenizationError.malformed(
                    file: parts.files.vocabulary, "the added token \"\(token.content)\" and the word \"\(word)\" are both \(token.id)")
            }
            (words[token.id], kinds[token.id]) = (token.content, token.isSpecial ? .control : .userDefined)
        }
        var roles: [Role: Int] = [:]
        for role in Role.allCases {
            guard let content = settings.named[role.rawValue] ?? settings.defaults[role.rawValue] else { continue }
            roles[role] = added[content]?.id ?? table.token(of: content)
        }
        if let opening = parts.opening, let id = added[opening]?.id ?? table.token(of: opening) { roles[.beginning] = id }
        self.init(
            words: Self.named(words), kinds: kinds, merges: parts.merges.lines, pattern: parts.pattern, ignoresMerges: parts.ignoresMerges,
            addsPrefixSpace: settings.addsPrefixSpace ?? parts.addsPrefixSpace,
            addsBeginning: roles[.beginning] != nil && (parts.opening != nil || settings.addsOpening == true), roles: roles,
            chatTemplate: settings.chatTemplate)
    }

    /// The same tokenizer with unused ids up to a size.
    /// - Parameter size: the number of words, at least `words.count`.
    public func padded(to size: Int) -> TokenizerLists {
        precondition(size >= words.count, "\(words.count) words in \(size)")
        let more = size - words.count
        var padded = self
        padded.words = Self.named(words.map { $0 } + [String?](repeating: nil, count: more))
        padded.kinds += [Kind](repeating: .unused, count: more)
        return padded
    }

    /// Gives ids without a word a name that no other has.
    private static func named(_ words: [String?]) -> [String] {
        let known = Set(words.compactMap(\.self))
        return words.enumerated().map { id, word in
            if let word { return word }
            var name = "[PAD\(id)]"
            while known.contains(name) { name = "[\(name)]" }
            return name
        }
    }
}
