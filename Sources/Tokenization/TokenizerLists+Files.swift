import StrictJSON

extension TokenizerLists {
    /// This tokenizer as files that `AutoTokenizer` of the Python package transformers opens, contents by file name: `tokenizer.json` and
    /// `tokenizer_config.json`. Ids without a token are left out.
    /// https://huggingface.co/docs/tokenizers/components
    ///
    /// - Parameter positions: the longest text of the model, in tokens.
    public func files(positions: Int) -> [String: String] {
        ["tokenizer.json": tokenizer.text() + "\n", "tokenizer_config.json": configuration(positions).text(indent: 2) + "\n"]
    }

    private var tokenizer: JSON {
        let used = words.indices.filter { kinds[$0] != .unused }
        let vocabulary = Dictionary(used.map { (words[$0], JSON.integer($0)) }) { _, last in last }
        let added = used.filter { kinds[$0] != .normal }.map { id in
            JSON.object([
                "id": .integer(id), "content": .string(words[id]), "special": .bool(kinds[id] == .control), "single_word": .bool(false),
                "lstrip": .bool(false), "rstrip": .bool(false), "normalized": .bool(false),
            ])
        }
        return .object([
            "version": .string("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(added), "normalizer": .null,
            "pre_tokenizer": preTokenizer, "post_processor": postProcessor, "decoder": byteLevel(usesPattern: true),
            "model": .object([
                "type": .string("BPE"), "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": .bool(false), "byte_fallback": .bool(false), "ignore_merges": .bool(ignoresMerges),
                "vocab": .object(vocabulary), "merges": .array(merges.map { .string($0) }),
            ]),
        ])
    }

    private func byteLevel(usesPattern: Bool) -> JSON {
        .object([
            "type": .string("ByteLevel"), "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": .bool(true),
            "use_regex": .bool(usesPattern),
        ])
    }

    private var preTokenizer: JSON {
        let bytes = byteLevel(usesPattern: pattern.expression == nil), split: JSON
        if let expression = pattern.expression {
            split = .object([
                "type": .string("Split"), "pattern": .object(["Regex": .string(expression)]), "behavior": .string("Isolated"),
                "invert": .bool(false),
            ])
        } else if pattern == .singleDigits {
            split = .object(["type": .string("Digits"), "individual_digits": .bool(true)])
        } else {
            return bytes
        }
        return .object(["type": .string("Sequence"), "pretokenizers": .array([split, bytes])])
    }

    /// The token before a text, if there is one.
    private var postProcessor: JSON {
        guard addsBeginning, let id = roles[.beginning] else { return byteLevel(usesPattern: true) }
        let content = JSON.string(words[id])
        func part(_ kind: String, _ id: JSON, _ type: Int) -> JSON { .object([kind: .object(["id": id, "type_id": .integer(type)])]) }
        let single = [part("SpecialToken", content, 0), part("Sequence", .string("A"), 0)]
        return .object([
            "type": .string("TemplateProcessing"), "single": .array(single),
            "pair": .array(single + [part("SpecialToken", content, 1), part("Sequence", .string("B"), 1)]),
            "special_tokens": .object([
                words[id]: .object(["id": content, "ids": .array([.integer(id)]), "tokens": .array([content])])
            ]),
        ])
    }

    private func configuration(_ positions: Int) -> JSON {
        var members: [String: JSON] = [
            "tokenizer_class": .string("PreTrainedTokenizerFast"), "model_max_length": .integer(positions),
            "add_prefix_space": .bool(addsPrefixSpace), "add_bos_token": .bool(addsBeginning),
            "clean_up_tokenization_spaces": .bool(false),
        ]
        // A word of the vocabulary that the file named here would be found in texts like a special token.
        for (role, id) in roles where kinds[id] == .control || kinds[id] == .userDefined {
            members[role.rawValue] = .string(words[id])
        }
        if let chatTemplate { members["chat_template"] = .string(chatTemplate) }
        return .object(members)
    }
}
