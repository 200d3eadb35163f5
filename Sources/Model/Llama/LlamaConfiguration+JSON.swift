import StrictJSON

extension LlamaConfiguration {
    /// Reads Hugging Face's `config.json`, of transformers 4 or 5; absent keys have the defaults of transformers, and keys that do
    /// not change the function are ignored.
    /// - Throws: `CheckpointError`, if it has another architecture, or is a variant that computes something else.
    init(_ json: JSON, family: Family, file: String) throws(CheckpointError) {
        let reader = try ConfigurationJSON(json, file: file)
        self.init()
        self.family = family
        switch family {
        case .llama: break
        case .mistral: (hidden, groups, positions, window) = (14_336, 8, 131_072, 4_096)
        case .qwen2: (vocabularySize, hidden, positions, window, hasInputBias) = (151_936, 22_016, 32_768, nil, true)
        }
        try reader.set(&vocabularySize, "vocab_size", "an integer", \.integer)
        try reader.set(&positions, "max_position_embeddings", "an integer", \.integer)
        try reader.set(&width, "hidden_size", "an integer", \.integer)
        try reader.set(&hidden, "intermediate_size", "an integer", \.integer)
        try reader.set(&layers, "num_hidden_layers", "an integer", \.integer)
        try reader.set(&heads, "num_attention_heads", "an integer", \.integer)
        if family != .mistral { groups = heads }
        try reader.set(&groups, "num_key_value_heads", "an integer", \.integer)
        setHeadWidth(try reader.value("head_dim", "an integer", \.integer))
        try reader.set(&epsilon, "rms_norm_eps", "a number", \.double)
        try reader.set(&deviation, "initializer_range", "a number", \.double)
        try reader.set(&isTied, "tie_word_embeddings", "true or false", \.bool)
        try reader.require("hidden_act", \.string, oneOf: ["silu", "swish"], fallback: "silu")
        if family == .llama {
            try reader.set(&hasInputBias, "attention_bias", "true or false", \.bool)
            hasOutputBias = hasInputBias
            try reader.set(&hasHiddenBias, "mlp_bias", "true or false", \.bool)
        }
        try readWindow(reader)
        try readRotation(reader)
        if let problem { throw reader.refuse(problem.key, problem.problem) }
    }

    private mutating func readWindow(_ reader: ConfigurationJSON) throws(CheckpointError) {
        switch family {
        case .llama: break
        case .mistral: if reader.members["sliding_window"] != nil { window = try reader.value("sliding_window", "an integer", \.integer) }
        case .qwen2:
            if try reader.value("use_sliding_window", "true or false", \.bool) == true {
                throw reader.refuse("use_sliding_window", "is true; a sliding window in only some layers is not supported")
            }
            if let kinds = reader.members["layer_types"]?.array, !kinds.allSatisfy({ $0.string == "full_attention" }) {
                throw reader.refuse("layer_types", "names a layer that is not full_attention; other layers are not supported")
            }
        }
    }

    /// `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of transformers 4.
    private mutating func readRotation(_ reader: ConfigurationJSON) throws(CheckpointError) {
        try reader.set(&rotaryBase, "rope_theta", "a number", \.double)
        guard let key = ["rope_parameters", "rope_scaling"].first(where: { reader.members[$0] ?? .null != .null }) else { return }
        let rope = try ConfigurationJSON(reader.members[key] ?? .null, file: reader.file, within: key)
        try rope.set(&rotaryBase, "rope_theta", "a number", \.double)
        var kind = "default"
        try rope.set(&kind, "type", "a name", \.string)
        try rope.set(&kind, "rope_type", "a name", \.string)
        func number(_ name: String) throws(CheckpointError) -> Double {
            guard let value = try rope.value(name, "a number", \.double) else { throw rope.refuse(name, "is missing") }
            guard value > 0, value.isFinite else { throw rope.refuse(name, "is \(value); it must be positive") }
            return value
        }
        switch kind {
        case "default": rotaryScaling = .none
        case "linear": rotaryScaling = .linear(factor: try number("factor"))
        case "llama3":
            let (low, high) = (try number("low_freq_factor"), try number("high_freq_factor"))
            guard high > low else { throw rope.refuse("high_freq_factor", "is \(high); it must be above low_freq_factor, \(low)") }
            rotaryScaling = .llama3(
                factor: try number("factor"), low: low, high: high, originalPositions: try number("original_max_position_embeddings"))
        case "longrope": rotaryScaling = .factors(try Self.factors(rope))
        default: throw rope.refuse("rope_type", "is \(kind); known are default, linear, llama3, and longrope with equal factors")
        }
    }

    /// The factors of `longrope`, if they are the same for short and long texts and the attention is not scaled.
    private static func factors(_ rope: ConfigurationJSON) throws(CheckpointError) -> [Double] {
        func numbers(_ key: String) throws(CheckpointError) -> [Double] {
            let numbers = try rope.value(key, "a list of numbers", \.array)?.map(\.double) ?? []
            let positive = numbers.compactMap { $0 }.filter { $0 > 0 && $0.isFinite }
            guard positive.count == numbers.count else { throw rope.refuse(key, "has an element that is no positive number") }
            return positive
        }
        let factors = try numbers("long_factor")
        guard try numbers("short_factor") == factors else {
            throw rope.refuse("short_factor", "differs from long_factor, which is not supported")
        }
        guard try rope.value("attention_factor", "a number", \.double) == 1 else {
            throw rope.refuse("attention_factor", "is not 1; another is not supported")
        }
        return factors
    }

    /// The members of `config.json` for this configuration, in the forms of transformers 4 and 5.
    var json: [String: JSON] {
        var members: [String: JSON] = [
            "model_type": .string(family.rawValue), "architectures": .array([.string(family.architecture)]), "dtype": .string("float32"),
            "vocab_size": .integer(vocabularySize), "max_position_embeddings": .integer(positions), "hidden_size": .integer(width),
            "intermediate_size": .integer(hidden), "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads),
            "num_key_value_heads": .integer(groups), "head_dim": .integer(headWidth ?? width / heads), "hidden_act": .string("silu"),
            "rms_norm_eps": .number(epsilon), "initializer_range": .number(deviation), "tie_word_embeddings": .bool(isTied),
            "rope_theta": .number(rotaryBase),
        ]
        switch family {
        case .llama:
            members["attention_bias"] = .bool(hasInputBias)
            members["mlp_bias"] = .bool(hasHiddenBias)
        case .mistral: members["sliding_window"] = window.map(JSON.integer) ?? .null
        case .qwen2: members["use_sliding_window"] = .bool(false)
        }
        var rope: [String: JSON] = ["rope_type": .string("default"), "rope_theta": .number(rotaryBase)]
        switch rotaryScaling.published(base: rotaryBase) {
        case .none: break
        case .linear(let factor): rope.merge(["rope_type": .string("linear"), "factor": .number(factor)]) { $1 }
        case .factors(let factors):
            let list = JSON.array(factors.map(JSON.number))
            rope.merge([
                "rope_type": .string("longrope"), "long_factor": list, "short_factor": list, "attention_factor": .number(1),
                "original_max_position_embeddings": .integer(positions),
            ]) { $1 }
        case .llama3(let factor, let low, let high, let originalPositions):
            rope.merge([
                "rope_type": .string("llama3"), "factor": .number(factor), "low_freq_factor": .number(low),
                "high_freq_factor": .number(high),
                "original_max_position_embeddings": Int(exactly: originalPositions).map(JSON.integer) ?? .number(originalPositions),
            ]) { $1 }
        }
        members["rope_parameters"] = .object(rope)
        if rotaryScaling != .none { members["rope_scaling"] = .object(rope) }
        return members
    }
}
