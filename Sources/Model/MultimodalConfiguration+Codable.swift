/// Keys that a file leaves out keep their defaults.
extension MultimodalConfiguration {
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.lay(&fusion, .fusion)
        try container.lay(&combination, .combination)
        try container.lay(&pairs, .pairs)
        try container.lay(&gpt2, .gpt2)
        try container.lay(&width, .width)
        try container.lay(&layers, .layers)
        try container.lay(&heads, .heads)
        try container.lay(&tokens, .tokens)
        try container.lay(&joint, .joint)
        try container.lay(&classes, .classes)
        try container.lay(&senses, .senses)
        try container.lay(&text, .text)
        try container.lay(&languageWeight, .languageWeight)
        try container.lay(&expertWeight, .expertWeight)
    }
}

extension MultimodalConfiguration.Sense {
    /// `name`, `rows` and `columns` have no defaults.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(String.self, forKey: .name), rows: try container.decode(Int.self, forKey: .rows),
            columns: try container.decode(Int.self, forKey: .columns))
        try container.lay(&encoder, .encoder)
        try container.lay(&embedding, .embedding)
        try container.lay(&hidden, .hidden)
        try container.lay(&blocks, .blocks)
        try container.lay(&jitter, .jitter)
    }
}

extension MultimodalConfiguration.Text {
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.lay(&length, .length)
        try container.lay(&vocabulary, .vocabulary)
        try container.lay(&words, .words)
        try container.lay(&buckets, .buckets)
        try container.lay(&endings, .endings)
    }
}

extension KeyedDecodingContainer {
    /// Reads a value over its default, if the key is there.
    fileprivate func lay<Value: Decodable>(_ value: inout Value, _ key: Key) throws {
        if let read = try decodeIfPresent(Value.self, forKey: key) { value = read }
    }
}
