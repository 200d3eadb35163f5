import Files
import GGUF

/// Opens the tokenizer of a Hugging Face directory or of a GGUF file.
/// - Throws: `TokenizationError`; `GGUFError` or `GGUFModelError` for a file.
public func openTokenizer(path: String) throws -> any Tokenizer {
    guard FileKind(of: path) == .regular else { return try openTokenizer(directory: path) }
    let lists = try TokenizerLists(GGUFFile(mapping: path))
    return try ByteLevelBPE(
        words: lists.words, special: lists.kinds.indices.filter { lists.kinds[$0] == .control || lists.kinds[$0] == .userDefined },
        merges: lists.merges, endOfText: lists.roles[.end], pattern: lists.pattern, addsPrefixSpace: lists.addsPrefixSpace, source: path)
}

extension TokenizerLists {
    /// Reads the byte-level BPE tokenizer of a GGUF file.
    /// - Throws: `GGUFModelError`.
    package init(_ file: GGUFFile) throws(GGUFModelError) {
        func refuse(_ problem: String) -> GGUFModelError { GGUFModelError(source: file.source, problem: problem) }
        func value(_ key: String) -> GGUFValue? { file.metadata["tokenizer.ggml.\(key)"] }
        let model = value("model")?.string ?? "missing"
        guard model == "gpt2" else { throw refuse("tokenizer.ggml.model is \(model); only gpt2, byte-level BPE, is known") }
        let name = value("pre")?.string ?? "default"
        guard let pattern = WordPattern(gguf: name) else { throw refuse("tokenizer.ggml.pre is \(name), which is not known") }
        guard var words = value("tokens")?.strings, let merges = value("merges")?.strings else {
            throw refuse("tokenizer.ggml.tokens or tokenizer.ggml.merges is missing")
        }
        if let table = file["token_embd.weight"]?.shape.first, table != words.count {
            throw refuse("tokenizer.ggml.tokens has \(words.count) words for the \(table) rows of token_embd.weight")
        }
        let given = value("token_type")?.integers ?? []
        // As llama.cpp does: tokens without a word get a name, and no word occurs twice.
        for id in words.indices where words[id].isEmpty { words[id] = "[EMPTY_\(id)]" }
        var known: Set<String> = []
        if let id = words.indices.first(where: { !known.insert(words[$0]).inserted }) {
            throw refuse("tokenizer.ggml.tokens has \"\(words[id])\" twice, the second time as \(id)")
        }
        guard given.isEmpty || given.count == words.count else {
            throw refuse("tokenizer.ggml.token_type has \(given.count) kinds for \(words.count) words")
        }
        var roles: [Role: Int] = [:]
        for role in Role.allCases {
            guard let id = value(role.ggufKey)?.integer else { continue }
            guard words.indices.contains(id) else { throw refuse("tokenizer.ggml.\(role.ggufKey) is \(id) of \(words.count) words") }
            roles[role] = id
        }
        self.init(
            // Kinds of other tokenizers, such as bytes, are words like any other.
            words: words, kinds: given.isEmpty ? words.map { _ in .normal } : given.map { Kind(rawValue: $0) ?? .normal }, merges: merges,
            pattern: pattern, addsPrefixSpace: value("add_space_prefix")?.bool ?? false,
            addsBeginning: value("add_bos_token")?.bool ?? (pattern == .llama3), roles: roles,
            chatTemplate: file.metadata["tokenizer.chat_template"]?.string)
    }

    /// This tokenizer as keys of a GGUF file.
    package var ggufKeys: [GGUFFile.Entry] {
        var keys: [GGUFFile.Entry] = [
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string(pattern.ggufName)),
            ("tokenizer.ggml.tokens", .strings(words)), ("tokenizer.ggml.token_type", .integers(kinds.map(\.rawValue))),
            ("tokenizer.ggml.merges", .strings(merges)),
        ]
        for role in Role.allCases { if let id = roles[role] { keys.append(("tokenizer.ggml.\(role.ggufKey)", .integer(id))) } }
        keys.append(("tokenizer.ggml.add_bos_token", .bool(addsBeginning)))
        keys.append(("tokenizer.ggml.add_space_prefix", .bool(addsPrefixSpace)))
        if let chatTemplate { keys.append(("tokenizer.chat_template", .string(chatTemplate))) }
        return keys
    }
}

extension TokenizerLists.Role {
    fileprivate var ggufKey: String {
        switch self {
        case .beginning: "bos_token_id"
        case .end: "eos_token_id"
        case .unknown: "unknown_token_id"
        case .padding: "padding_token_id"
        }
    }
}
