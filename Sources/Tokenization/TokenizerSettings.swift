import StrictJSON

/// The settings and tokens of `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`, read as `AutoTokenizer` of the
/// Python package transformers does. https://huggingface.co/docs/transformers/main_classes/tokenizer
struct TokenizerSettings {
    /// Tokens in the order in which they are added.
    private(set) var tokens: [AddedToken] = []
    /// Whether a text that does not begin with a space gets one; nil if no file sets it.
    private(set) var addsPrefixSpace: Bool?
    /// Whether special tokens are split like any other text.
    private(set) var splitsSpecialTokens = false
    /// The contents of the tokens that files name, by their keys: `eos_token` and others.
    private(set) var named: [String: String] = [:]
    /// Whether a text gets the token `bos_token` in front; nil if no file sets it.
    private(set) var addsOpening: Bool?
    /// The template that renders a chat as text, if a file has one.
    private(set) var chatTemplate: String?
    /// The content of the token that ends a text, if a file names one.
    var endOfText: String? { named["eos_token"] }

    /// The contents of tokens that no file names, and that the class of the tokenizer has.
    private(set) var defaults: [String: String] = [:]

    private var isNamed: Set<String> = []

    /// - Parameters:
    ///   - file: the path of the file of a given name; nil if it does not exist.
    ///   - kind: the kind of tokenizer of the vocabulary's files; nil if a `tokenizer.json` defines it.
    init(_ file: (String) -> String?, kind: TokenizerKind?) throws {
        var settings: [String: JSON] = [:]
        var order: [String] = []
        func merge(_ name: String) throws {
            guard let path = file(name) else { return }
            try parse(readFile(path), path) { scanner in
                try scanner.object(distinct: false) { key, scanner in
                    if settings[key] == nil { order.append(key) }
                    settings[key] = try scanner.value()
                }
            }
        }
        let source = file("tokenizer_config.json") ?? ""
        try merge("tokenizer_config.json")
        var added: [AddedToken] = []
        if let decoder = settings["added_tokens_decoder"] {
            added = try Self.decoderTokens(decoder, source)
        } else {
            try merge("special_tokens_map.json")
            added = try file("added_tokens.json").map(addedTokens) ?? []
        }
        addsPrefixSpace = settings["add_prefix_space"]?.bool
        addsOpening = settings["add_bos_token"]?.bool
        chatTemplate = try settings["chat_template"].flatMap(Self.chatTemplate) ?? file("chat_template.jinja").map(text)
        splitsSpecialTokens = settings["split_special_tokens"]?.bool ?? false
        let special = Set(settings.filter { $0.key.hasSuffix("_token") }.compactMap { AddedToken($0.value)?.content })
        for var token in added {
            if special.contains(token.content), settings["added_tokens_decoder"] == nil {
                (token.isSpecial, token.isNormalized) = (true, false)
            }
            take(token)
        }
        try takeSpecialTokens(settings, order, kind ?? TokenizerKind(className: settings["tokenizer_class"]?.string), source)
    }

    private mutating func take(_ token: AddedToken) {
        if isNamed.insert(token.content).inserted { tokens.append(token) }
    }

    private mutating func takeSpecialTokens(
        _ settings: [String: JSON], _ order: [String], _ kind: TokenizerKind?, _ source: String
    ) throws {
        func take(_ value: JSON, _ key: String) throws -> AddedToken? {
            guard value != .null else { return nil }
            guard let token = AddedToken(value) else { throw TokenizationError.malformed(file: source, "\(key) is not a token") }
            self.take(token)
            return token
        }
        let known = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
        for key in known {
            if let value = settings[key] {
                named[key] = try take(value, key)?.content
            } else if let content = kind?.specialTokens[key] {
                self.take(AddedToken(special: content))
                defaults[key] = content
            }
        }
        for key in order where key.hasSuffix("_token") && !known.contains(key) {
            if let value = settings[key], AddedToken(value) != nil { _ = try take(value, key) }  // `add_bos_token` is a boolean
        }
        let extra = [settings["extra_special_tokens"], settings["additional_special_tokens"]].compactMap(\.self)
        for value in extra.flatMap({ $0.array ?? ($0.object ?? [:]).sorted { $0.key < $1.key }.map(\.value) }) {
            _ = try take(value, "an extra special token")
        }
    }

    /// A template, or the one called `default` of a list of named ones.
    private static func chatTemplate(_ value: JSON) -> String? {
        value.string ?? value.array?.first { $0["name"]?.string == "default" }?["template"]?.string
    }

    /// `added_tokens_decoder`: an object from id to token.
    private static func decoderTokens(_ decoder: JSON, _ source: String) throws -> [AddedToken] {
        let tokens = try (decoder.object ?? [:]).map { key, value in
            guard let id = Int(key), let token = AddedToken(value) else {
                throw TokenizationError.malformed(file: source, "added_tokens_decoder[\"\(key)\"] is not a token")
            }
            return (id, token)
        }
        return tokens.sorted { $0.0 < $1.0 }.map(\.1)
    }
}

/// The tokenizers of the Python package transformers that consist of a `vocab.json` and a `merges.txt` and use GPT-2's pattern.
enum TokenizerKind {
    case gpt2, roberta

    /// The kind of a tokenizer class; nil for other classes.
    init?(className: String?) {
        switch className?.hasSuffix("Fast") == true ? className?.dropLast(4) : className?[...] {
        case "GPT2Tokenizer", "CodeGenTokenizer": self = .gpt2
        case "RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer": self = .roberta
        default: return nil
        }
    }

    /// The kind of the tokenizer of a directory.
    /// - Parameter file: the path of the file of a given name; nil if it does not exist.
    /// - Throws: `unsupported` for other tokenizer classes, and for models whose tokenizer is of another kind.
    init(_ file: (String) -> String?) throws {
        var model: String?
        for name in ["tokenizer_config.json", "config.json"] {
            guard let path = file(name) else { continue }
            let settings = try parse(readFile(path), path) { try $0.value() }
            model = settings["model_type"]?.string ?? model
            guard let className = settings["tokenizer_class"]?.string else { continue }
            guard let kind = TokenizerKind(className: className) else {
                throw TokenizationError.unsupported(file: path, "the tokenizer class \(className)")
            }
            self = kind
            return
        }
        switch model {
        case nil, "gpt2", "gpt_neo", "gptj", "codegen", "opt", "phi", "starcoder2": self = .gpt2
        case "roberta", "bart", "longformer", "led", "data2vec-text", "roberta-prelayernorm": self = .roberta
        default: throw TokenizationError.unsupported(file: file("config.json") ?? "", "the tokenizer of \(model ?? "")")
        }
    }

    /// The default contents of the special tokens.
    var specialTokens: [String: String] {
        switch self {
        case .gpt2: ["bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"]
        case .roberta:
            [
                "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
                "cls_token": "<s>",
                "mask_token": "<mask>",
            ]
        }
    }
}

private func text(_ file: String) throws -> String {
    guard let text = String(validating: try readFile(file), as: UTF8.self) else {
        throw TokenizationError.malformed(file: file, "it is not UTF-8")
    }
    return text
}

/// `added_tokens.json`: an object from content to id.
private func addedTokens(_ file: String) throws -> [AddedToken] {
    var tokens: [(id: Int, token: AddedToken)] = []
    try parse(readFile(file), file) { scanner in
        try scanner.object { content, scanner in
            var token = AddedToken(id: try scanner.tokenID(), content: content)
            token.isNormalized = true
            tokens.append((token.id, token))
        }
    }
    return tokens.sorted { $0.id < $1.id }.map(\.token)
}
