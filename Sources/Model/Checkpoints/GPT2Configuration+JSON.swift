import StrictJSON
import Tensors

extension GPT2Configuration {
    /// Reads Hugging Face's `config.json`; absent keys have the defaults of transformers, and keys that do not change the function
    /// are ignored.
    ///
    /// - Parameter file: the file's path.
    /// - Throws: `CheckpointError`, if it is not GPT-2, or a variant that computes something else.
    public init(json file: String) throws {
        try self.init(JSON(file: file), file: file)
    }

    init(_ json: JSON, file: String) throws(CheckpointError) {
        guard let members = json.object else { throw .malformed(file: file, "at byte 0: an object was expected") }
        func refuse(_ key: String, _ problem: String) -> CheckpointError { .configuration(file: file, key: key, problem) }
        func value<T>(_ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) -> T? {
            guard let member = members[key], member != .null else { return nil }
            guard let value = read(member) else { throw refuse(key, "is \(member.text()); \(what) was expected") }
            return value
        }
        func set<T>(_ field: inout T, _ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) {
            if let value = try value(key, what, read) { field = value }
        }

        self.init()
        let kind = try value("model_type", "a name", \.string) ?? "gpt2"
        guard kind == "gpt2" else { throw refuse("model_type", "is \(kind); only gpt2 is known") }
        if let given = members["quantization_config"], given != .null {
            throw refuse("quantization_config", "is present; quantised weights are not supported, only floating-point numbers")
        }
        for (key, plain) in [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false)] {
            if let given = try value(key, "true or false", \.bool), given != plain {
                throw refuse(key, "is \(given); only \(plain) is known")
            }
        }
        try set(&vocabularySize, "vocab_size", "an integer", \.integer)
        /// Reads a size that may have several names; all that are present must agree.
        func set(_ size: inout Int, _ names: String...) throws(CheckpointError) {
            var first: String?
            for name in names {
                guard let given = try value(name, "an integer", \.integer) else { continue }
                if let first, given != size { throw refuse(name, "is \(given), but \(first), which means the same, is \(size)") }
                size = given
                first = first ?? name
            }
        }
        // transformers ignores n_ctx of early files, whose weights have the same size.
        try set(&positions, "n_ctx")
        try set(&positions, "n_positions", "max_position_embeddings")
        try set(&width, "n_embd", "hidden_size")
        try set(&layers, "n_layer", "num_hidden_layers")
        try set(&heads, "n_head", "num_attention_heads")
        hidden = try value("n_inner", "an integer", \.integer)
        try set(&epsilon, "layer_norm_epsilon", "a number", \.double)
        try set(&deviation, "initializer_range", "a number", \.double)
        try set(&isTied, "tie_word_embeddings", "true or false", \.bool)
        if let name = try value("activation_function", "a name", \.string) {
            guard let known = Self.activations[name] else {
                throw refuse("activation_function", "is \(name); known are \(Self.activations.keys.sorted().joined(separator: ", "))")
            }
            activation = known
        }
        if let problem { throw refuse(problem.key, problem.problem) }
    }

    /// Activations by their names in transformers, which has several names for the same approximation of GELU.
    private static let activations: [String: Activation] = [
        "gelu_new": .gelu, "gelu_pytorch_tanh": .gelu, "gelu_python_tanh": .gelu, "gelu_fast": .gelu, "gelu_accurate": .gelu, "relu": .relu,
        "tanh": .tanh, "sigmoid": .sigmoid,
    ]

    /// The members of `config.json` for this configuration, with those from which transformers finds the model class.
    var json: [String: JSON] {
        [
            "model_type": .string("gpt2"), "architectures": .array([.string("GPT2LMHeadModel")]), "dtype": .string("float32"),
            "vocab_size": .integer(vocabularySize), "n_positions": .integer(positions), "n_embd": .integer(width),
            "n_layer": .integer(layers), "n_head": .integer(heads), "n_inner": hidden.map(JSON.integer) ?? .null,
            "layer_norm_epsilon": .number(epsilon), "initializer_range": .number(deviation),
            "activation_function": .string(activation.rawValue), "tie_word_embeddings": .bool(isTied),
        ]
    }
}
