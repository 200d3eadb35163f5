import StrictJSON

/// The shape of a BERT model, from Hugging Face's `config.json`.
public struct BERTConfiguration: Sendable, Equatable {
    /// `vocab_size`
    public var vocabularySize: Int
    /// `max_position_embeddings`: the longest sequence.
    public var positions: Int
    /// `type_vocab_size`
    public var types: Int
    /// `hidden_size`
    public var width: Int
    /// `num_hidden_layers`
    public var layers: Int
    /// `num_attention_heads`
    public var heads: Int
    /// `intermediate_size`: the width between the MLP's projections.
    public var hidden: Int
    /// `layer_norm_eps`
    public var epsilon: Double

    /// Reads a `config.json`; absent keys have the values of BERT base.
    ///
    /// - Parameter file: the file's path.
    /// - Throws: `CheckpointError`, if it is not BERT, or a variant that computes something else.
    public init(json file: String) throws {
        guard let members = try JSON(file: file).object else {
            throw CheckpointError.malformed(file: file, "at byte 0: an object was expected")
        }
        func integer(_ key: String, _ plain: Int) throws(CheckpointError) -> Int {
            guard let member = members[key], member != .null else { return plain }
            guard let value = member.integer, (1...1 << 20).contains(value) else {
                throw .configuration(file: file, key: key, "is \(member.text()); a whole number from 1 was expected")
            }
            return value
        }
        for (key, known) in [("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
            if let given = members[key]?.string, given != known {
                throw CheckpointError.configuration(file: file, key: key, "is \(given); only \(known) is known")
            }
        }
        vocabularySize = try integer("vocab_size", 30_522)
        positions = try integer("max_position_embeddings", 512)
        types = try integer("type_vocab_size", 2)
        width = try integer("hidden_size", 768)
        layers = try integer("num_hidden_layers", 12)
        heads = try integer("num_attention_heads", 12)
        hidden = try integer("intermediate_size", 3072)
        epsilon = members["layer_norm_eps"]?.double ?? 1e-12
        guard width.isMultiple(of: heads) else {
            throw CheckpointError.configuration(
                file: file, key: "num_attention_heads", "is \(heads), which does not divide the width \(width)")
        }
    }
}
