import Statistics

/// The shape of a multimodal model: its senses, how they are encoded and fused, and the size of the language trunk.
///
/// Every key has a default that works, and a file names only those that it changes. The modalities are the senses in the order of
/// `senses`, followed by the text. The list of senses may be empty.
public struct MultimodalConfiguration: Codable, Sendable, Equatable {
    /// One stream of feature frames, `rows` × `columns` for each moment. A longer reading is truncated, a shorter one masked.
    public struct Sense: Codable, Sendable, Equatable {
        /// The sense's name, as in `MomentInput.senses`.
        public var name: String
        /// The maximal number of rows.
        public var rows: Int
        /// The maximal number of features of a row.
        public var columns: Int
        /// A name in `encoders`.
        public var encoder: String
        /// The width of each row's embedding.
        public var embedding: Int
        /// The width of the hidden layer.
        public var hidden: Int
        /// The number of self-attention blocks, in encoders that have some.
        public var blocks = 1
        /// When learning, readings are shifted cyclically by up to this many rows: an augmentation for sounds.
        public var jitter: Int

        public init(
            name: String, rows: Int, columns: Int, encoder: String = "dense", embedding: Int = 16, hidden: Int = 128, jitter: Int = 0
        ) {
            self.name = name
            self.rows = rows
            self.columns = columns
            self.encoder = encoder
            self.embedding = embedding
            self.hidden = hidden
            self.jitter = jitter
        }

        enum CodingKeys: CodingKey { case name, rows, columns, encoder, embedding, hidden, blocks, jitter }

        public static let image = Sense(name: "image", rows: 16, columns: 192)
        public static let audio = Sense(name: "audio", rows: 32, columns: 32, embedding: 32, jitter: 2)
        public static let vector = Sense(name: "vector", rows: 1, columns: 16)
    }

    /// The text: token ids for the language head, and words hashed into buckets for the fusion.
    public struct Text: Codable, Sendable, Equatable {
        /// The maximal number of tokens of a moment; a longer text is truncated.
        public var length = 64
        /// The number of tokens; the last is the end of a text in a trunk of our own.
        public var vocabulary = 257
        /// The maximal number of words and word pairs of a moment that the fusion gets.
        public var words = 48
        /// The number of hash buckets of words.
        public var buckets = 1024
        /// Whether the language head also learns where texts end, so that its answers end.
        public var endings = false
        /// The tokens around texts and answers, if they follow from a pretrained trunk; not in files.
        public var turns: TurnTokens?

        public init() {}

        enum CodingKeys: CodingKey { case length, vocabulary, words, buckets, endings }
    }

    /// A name in `fusions`.
    public var fusion = "early"
    /// How late fusion combines its experts: `learned`, `product` or `mean`.
    public var combination = "learned"
    /// Pairs that attend to each other in co-attention, as `[["image", "audio"], …]`; empty means every pair.
    public var pairs: [[String]] = []

    /// Another name of `trunk`, in settings.
    public var gpt2 = ""
    /// Hugging Face directory or GGUF file of a pretrained model of any family that is the trunk; empty: a trunk of our own.
    public var trunk = ""
    /// How the matrices of a pretrained trunk that do not learn lie in memory: a name of `WeightStorage`.
    public var storage = WeightStorage.float32.rawValue
    /// The rank r of low-rank adapters beside a pretrained trunk's usual projections; 0: none.
    public var adapterRank = 0
    /// α of the adapters, whose factor is α/r.
    public var adapterAlpha = 16.0
    /// C, the width of tokens and trunk.
    public var width = 64
    /// The number of the trunk's blocks.
    public var layers = 2
    /// The number of attention heads.
    public var heads = 4
    /// The number of tokens that each modality is encoded into.
    public var tokens = 2
    /// The width of the layer that combines modalities before the class head.
    public var joint = 128
    /// The number of classes.
    public var classes = 16

    public var senses: [Sense] = [.image, .audio, .vector]
    public var text = Text()

    /// Weight of the next-token loss, relative to the classification loss.
    public var languageWeight = 1.0
    /// Weight of each modality's own classification loss.
    public var expertWeight = 1.0

    public init() {}

    enum CodingKeys: CodingKey {
        case fusion, combination, pairs, gpt2, trunk, storage, adapterRank, adapterAlpha, width, layers, heads, tokens, joint, classes
        case senses, text, languageWeight, expertWeight
    }

    /// All modalities in order: the senses, then `text`.
    public var modalities: [String] { senses.map(\.name) + [Self.textName] }

    /// The name of the text modality.
    public static let textName = "text"

    /// The number of the senses' tokens before the text in the trunk.
    public var prefixLength: Int { senses.count * tokens }

    /// The language trunk of our own, a GPT-2.
    public var ownTrunk: GPT2Configuration {
        GPT2Configuration(vocabularySize: text.vocabulary, positions: text.length, width: width, layers: layers, heads: heads)
    }

    /// Checks all settings.
    /// - Throws: `SettingsError`, the first invalid setting.
    public func validate() throws(SettingsError) {
        try SettingsError.require(
            fusions.contains { $0.key == fusion }, "fusion", "no fusion is called \(fusion); there are \(names(of: fusions))")
        try SettingsError.require(
            Combination(rawValue: combination) != nil, "combination", "\(combination) is none of learned, product, mean")
        for (key, value) in [
            ("width", width), ("layers", layers), ("heads", heads), ("tokens", tokens), ("joint", joint), ("classes", classes),
            ("text.length", text.length), ("text.vocabulary", text.vocabulary), ("text.words", text.words), ("text.buckets", text.buckets),
        ] {
            try SettingsError.require((1...Self.largest).contains(value), key, "\(value) is not in 1…\(Self.largest)")
        }
        try SettingsError.require(
            WeightStorage(rawValue: storage) != nil, "storage",
            "\(storage) is none of \(WeightStorage.allCases.map(\.rawValue).joined(separator: ", "))")
        try SettingsError.require(
            (0...Self.largestRank).contains(adapterRank), "adapterRank", "\(adapterRank) is not in 0…\(Self.largestRank)")
        try SettingsError.require(adapterAlpha.isFinite && adapterAlpha > 0, "adapterAlpha", "\(adapterAlpha) is not a positive number")
        try SettingsError.require(gpt2.isEmpty || trunk.isEmpty, "gpt2", "and trunk name two models; give one")
        try SettingsError.require(isPretrained || adapterRank == 0, "adapterRank", "adapters want a pretrained trunk")
        try SettingsError.require(width % heads == 0, "heads", "width \(width) is not a multiple of \(heads)")
        try SettingsError.require(text.length >= 2, "text.length", "a text of \(text.length) token has no next token to learn")
        for (key, weight) in [("languageWeight", languageWeight), ("expertWeight", expertWeight)] {
            try SettingsError.require(weight.isFinite && weight >= 0, key, "\(weight) is not a weight")
        }
        try SettingsError.require(senses.count <= Self.mostSenses, "senses", "\(senses.count) are more than \(Self.mostSenses)")
        try SettingsError.require(
            Set(modalities).count == modalities.count, "senses", "names repeat or are \"text\": \(modalities.joined(separator: ", "))")
        for sense in senses { try validate(sense) }
        for pair in pairs {
            try SettingsError.require(
                pair.count == 2 && pair[0] != pair[1] && pair.allSatisfy(modalities.contains), "pairs",
                "\(pair) is not two different modalities of \(modalities.joined(separator: ", "))")
        }
    }

    private func validate(_ sense: Sense) throws(SettingsError) {
        let key = "senses.\(sense.name)"
        try SettingsError.require(!sense.name.isEmpty, "senses", "a sense has no name")
        try SettingsError.require(
            encoders.contains { $0.key == sense.encoder }, "\(key).encoder",
            "no encoder is called \(sense.encoder); there are \(names(of: encoders))")
        for (name, value) in [
            ("rows", sense.rows), ("columns", sense.columns), ("embedding", sense.embedding), ("hidden", sense.hidden),
            ("blocks", sense.blocks),
        ] {
            try SettingsError.require((1...Self.largest).contains(value), "\(key).\(name)", "\(value) is not in 1…\(Self.largest)")
        }
        try SettingsError.require(
            sense.rows * sense.columns <= Self.largest, "\(key).rows",
            "\(sense.rows) × \(sense.columns) values exceed \(Self.largest)")
        try SettingsError.require((0...sense.rows).contains(sense.jitter), "\(key).jitter", "\(sense.jitter) is not in 0…\(sense.rows)")
    }

    /// The largest valid size: a typing error must not allocate all memory.
    private static let largest = 1 << 20
    /// The largest rank of adapters.
    private static let largestRank = 1024
    /// Explanations represent sets of modalities as bits of an integer.
    private static let mostSenses = 32
}

private func names<Value>(of list: KeyValuePairs<String, Value>) -> String { list.map(\.key).joined(separator: ", ") }
