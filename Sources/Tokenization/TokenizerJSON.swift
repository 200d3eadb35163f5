import StrictJSON

/// The parts of a `tokenizer.json` that byte-level BPE has; whatever would make it another tokenizer is refused.
/// https://huggingface.co/docs/tokenizers/components
struct TokenizerJSON {
    var vocabulary: Vocabulary
    var merges: MergeList
    var added: [AddedToken] = []
    var addsPrefixSpace = false

    init(_ text: [UInt8], _ file: String) throws {
        var model: (vocabulary: Vocabulary, merges: MergeList)?
        var added: [AddedToken] = []
        var preTokenizer: JSON?
        var refusal: String?
        try parse(text, file) { scanner in
            try scanner.object { key, scanner in
                switch key {
                case "model": model = try Self.model(&scanner, refusing: &refusal)
                case "added_tokens": try scanner.array { scanner in added.append(try Self.addedToken(&scanner)) }
                case "pre_tokenizer": preTokenizer = try scanner.value()
                case "normalizer": if try scanner.value() != .null { refusal = "a normalizer" }
                default: try scanner.skip()
                }
            }
        }
        guard let model else { throw TokenizationError.malformed(file: file, "it has no model") }
        if preTokenizer?["type"]?.string != "ByteLevel" || preTokenizer?["use_regex"]?.bool == false {
            refusal = "the pre-tokenizer \(preTokenizer?.text() ?? "null")"
        }
        if let refusal { throw TokenizationError.unsupported(file: file, refusal) }
        (vocabulary, merges) = model
        self.added = added
        addsPrefixSpace = preTokenizer?["add_prefix_space"]?.bool ?? true
    }

    private static func model(
        _ scanner: inout JSONScanner, refusing refusal: inout String?
    ) throws -> (vocabulary: Vocabulary, merges: MergeList)? {
        var vocabulary: Vocabulary?
        var merges = MergeList()
        try scanner.object { key, scanner in
            switch key {
            case "vocab": vocabulary = try Vocabulary(&scanner)
            case "merges": merges = try MergeList(&scanner)
            default:
                let value = try scanner.value()
                if !isPlain(key, value) { refusal = "\(key) = \(value.text())" }
            }
        }
        return vocabulary.map { ($0, merges) }
    }

    /// Whether a setting of the model is what GPT-2 has.
    private static func isPlain(_ key: String, _ value: JSON) -> Bool {
        switch key {
        case "type": value == .string("BPE")
        case "dropout": value == .null || value.double == 0
        case "continuing_subword_prefix", "end_of_word_suffix": value == .null || value == .string("")
        case "byte_fallback", "ignore_merges": value == .bool(false)
        default: true
        }
    }

    private static func addedToken(_ scanner: inout JSONScanner) throws -> AddedToken {
        var token = AddedToken(id: -1, content: "")
        token.isNormalized = true
        try scanner.object { key, scanner in
            switch key {
            case "id": token.id = try scanner.tokenID()
            case "content": token.content = try scanner.string()
            case "single_word": token.singleWord = try scanner.bool()
            case "lstrip": token.stripsLeft = try scanner.bool()
            case "rstrip": token.stripsRight = try scanner.bool()
            case "normalized": token.isNormalized = try scanner.bool()
            default: try scanner.skip()
            }
        }
        guard token.id >= 0, !token.content.isEmpty else { throw scanner.error("an added token has an id and a content") }
        return token
    }
}
