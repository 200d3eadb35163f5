/// Keys that a file does not have keep their defaults.
extension MultimodalConfiguration {
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.read(&fusion, .fusion)
        try container.read(&combination, .combination)
        try container.read(&pairs, .pairs)
        try container.read(&gpt2, .gpt2)
        try container.read(&trunk, .trunk)
        try container.read(&storage, .storage)
        try container.read(&adapterRank, .adapterRank)
        try container.read(&adapterAlpha, .adapterAlpha)
        try container.read(&width, .width)
        try container.read(&layers, .layers)
        try container.read(&heads, .heads)
        try container.read(&tokens, .tokens)
        try container.read(&joint, .joint)
        try container.read(&classes, .classes)
        try container.read(&senses, .senses)
        try container.read(&text, .text)
        try container.read(&languageWeight, .languageWeight)
        try container.read(&expertWeight, .expertWeight)
    }
}

extension MultimodalConfiguration.Sense {
    /// `name`, `rows` and `columns` have no defaults.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(String.self, forKey: .name), rows: try container.decode(Int.self, forKey: .rows),
            columns: try container.decode(Int.self, forKey: .columns))
        try container.read(&encoder, .encoder)
        try container.read(&embedding, .embedding)
        try container.read(&hidden, .hidden)
        try container.read(&blocks, .blocks)
        try container.read(&jitter, .jitter)
    }
}

extension MultimodalConfiguration.Text {
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.read(&length, .length)
        try container.read(&vocabulary, .vocabulary)
        try container.read(&words, .words)
        try container.read(&buckets, .buckets)
        try container.read(&endings, .endings)
    }
}

extension KeyedDecodingContainer {
    /// Replaces a value by the key's, if the key is present.
    fileprivate func read<Value: Decodable>(_ value: inout Value, _ key: Key) throws {
        if let read = try decodeIfPresent(Value.self, forKey: key) { value = read }
    }
}
