import StrictJSON

/// The parts of a byte-level BPE tokenizer read from its files. A file with a component that makes it another tokenizer is refused; the
/// error names the component.
/// https://huggingface.co/docs/tokenizers/components
struct TokenizerJSON {
    private(set) var vocabulary: Vocabulary
    private(set) var merges: MergeList
    private(set) var added: [AddedToken] = []
    private(set) var addsPrefixSpace = false
    private(set) var pattern = WordPattern.gpt2
    /// Whether texts are brought into Unicode's form NFC, as Qwen 2's.
    private(set) var composes = false
    /// The content of the token that the post-processor puts before a text, if it does.
    private(set) var opening: String?
    /// The paths of the vocabulary and the merges, for messages.
    let files: (vocabulary: String, merges: String)
    /// Settings of the `model` object of `tokenizer.json`.
    private var model = Model()

    private struct Model {
        var vocabulary: Vocabulary?
        var merges = MergeList()
        var unknown: String?
        var joinsUnknown = false
        var fallsBackToBytes = false
        var ignoresMerges = false
        /// A setting that is not supported, for the message.
        var refusal: String?
    }

    /// Reads `vocab.json` and `merges.txt` in GPT-2's format.
    init(vocabulary: String, merges: String) throws {
        self.vocabulary = try Vocabulary(readFile(vocabulary), vocabulary)
        self.merges = try MergeList(lines: readFile(merges), merges)
        files = (vocabulary, merges)
    }

    /// Reads `tokenizer.json` of Hugging Face's tokenizers; only byte-level BPE is supported.
    init(_ text: [UInt8], _ file: String) throws {
        var model = Model()
        var added: [AddedToken] = []
        var preTokenizer = JSON.null
        var normalizer = JSON.null
        var postProcessor = JSON.null
        try parse(text, file) { scanner in
            try scanner.object { key, scanner in
                switch key {
                case "model": model = try Self.model(&scanner)
                case "added_tokens": if !scanner.null() { try scanner.array { added.append(try Self.addedToken(&$0)) } }
                case "pre_tokenizer": preTokenizer = try scanner.value()
                case "normalizer": normalizer = try scanner.value()
                case "post_processor": postProcessor = try scanner.value()
                default: try scanner.skip()
                }
            }
        }
        guard let vocabulary = model.vocabulary else { throw TokenizationError.malformed(file: file, "it has no model") }
        if let refusal = model.refusal { throw TokenizationError.unsupported(file: file, refusal) }
        let changes = normalizer.steps("normalizers").filter(\.changesText)
        if let change = changes.first(where: { $0["type"]?.string != "NFC" }) {
            throw TokenizationError.unsupported(file: file, "the normalizer \(change.text())")
        }
        let splits = preTokenizer.steps("pretokenizers")
        guard let pattern = WordPattern(splits), let bytes = splits.last else {
            throw TokenizationError.unsupported(file: file, "the pre-tokenizer \(preTokenizer.text())")
        }
        (self.vocabulary, merges, self.model) = (vocabulary, model.merges, model)
        self.added = added
        self.pattern = pattern
        composes = !changes.isEmpty
        let template = postProcessor.steps("processors").first { $0["type"]?.string == "TemplateProcessing" }
        opening = template?["single"]?.array?.first?["SpecialToken"]?["id"]?.string
        addsPrefixSpace = bytes["add_prefix_space"]?.bool ?? true
        files = (file, file)
    }

    var ignoresMerges: Bool { model.ignoresMerges }

    /// The token of every byte. A byte without a token becomes the unknown token if the model has one, and is otherwise omitted.
    func byteTokens(_ table: TokenTable) throws -> ByteTokens {
        var bytes = ByteTokens(joinsUnknown: model.joinsUnknown)
        for byte in UInt8.min...UInt8.max {
            if let token = table.token(of: ByteAlphabet.spelling(of: byte)) {
                bytes.tokens[Int(byte)] = Int32(token)
                continue
            }
            if model.fallsBackToBytes { throw TokenizationError.unsupported(file: files.vocabulary, "byte_fallback = true") }
            guard let unknown = model.unknown else { continue }
            guard let token = table.token(of: unknown) else {
                throw TokenizationError.malformed(
                    file: files.vocabulary, "there is no token for the byte \(byte), and unk_token \"\(unknown)\" is not in the vocabulary")
            }
            bytes.unknown = Int32(token)
        }
        return bytes
    }

    private static func model(_ scanner: inout JSONScanner) throws -> Model {
        var model = Model()
        try scanner.object { key, scanner in
            switch key {
            case "vocab": model.vocabulary = try Vocabulary(&scanner)
            case "merges": model.merges = try MergeList(&scanner)
            default:
                let value = try scanner.value()
                switch key {
                case "unk_token": model.unknown = value.string
                case "fuse_unk": model.joinsUnknown = value.bool ?? false
                case "ignore_merges": model.ignoresMerges = value.bool ?? false
                case "byte_fallback": model.fallsBackToBytes = value.bool ?? false
                default: if !isPlain(key, value) { model.refusal = "\(key) = \(value.text())" }
                }
            }
        }
        return model
    }

    /// Whether a setting of the model has the value that it has for GPT-2.
    private static func isPlain(_ key: String, _ value: JSON) -> Bool {
        switch key {
        case "type": value == .string("BPE")
        case "dropout": value == .null || value.double == 0
        case "continuing_subword_prefix", "end_of_word_suffix": value == .null || value == .string("")
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
            case "special": token.isSpecial = try scanner.bool()
            default: try scanner.skip()
            }
        }
        guard token.id >= 0 else { throw scanner.error("an added token without an id") }
        return token
    }
}

extension WordPattern {
    /// The pattern of a pre-tokenizer's steps, of which the last maps bytes to characters; nil if it is not supported.
    fileprivate init?(_ steps: [JSON]) {
        guard let last = steps.last, last["type"]?.string == "ByteLevel" else { return nil }
        let usesPattern = last["use_regex"]?.bool ?? true
        switch steps.count {
        case 1 where usesPattern: self = .gpt2
        case 2 where usesPattern && steps[0]["type"]?.string == "Digits" && steps[0]["individual_digits"]?.bool == true:
            self = .singleDigits
        case 2
        where !usesPattern && steps[0]["type"]?.string == "Split" && steps[0]["behavior"]?.string == "Isolated"
            && steps[0]["invert"]?.bool != true:
            guard let expression = steps[0]["pattern"]?["Regex"]?.string, let known = WordPattern(expression: expression) else {
                return nil
            }
            self = known
        default: return nil
        }
    }
}

extension JSON {
    /// The steps of a normalizer or a pre-tokenizer in order: the members of a `Sequence`, none for null.
    fileprivate func steps(_ members: String) -> [JSON] {
        if self == .null { return [] }
        guard self["type"]?.string == "Sequence", let sequence = self[members]?.array else { return [self] }
        return sequence.flatMap { $0.steps(members) }
    }

    /// Whether a normalizer can change a text.
    fileprivate var changesText: Bool {
        switch self["type"]?.string {
        case "Strip": self["strip_left"]?.bool != false || self["strip_right"]?.bool != false
        case "Prepend": self["prepend"]?.string != ""
        default: true
        }
    }
}
