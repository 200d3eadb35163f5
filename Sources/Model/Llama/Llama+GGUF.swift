import GGUF
import Layers
import Tensors

extension LlamaConfiguration {
    /// The shape of a model of the architectures `llama` (Llama, Mistral, SmolLM) and `qwen2`.
    /// - Throws: `GGUFModelError`, if a key is missing or invalid.
    init(_ keys: GGUFKeys, family: Family) throws {
        self.init()
        self.family = family
        layers = try keys.blocks(ofTensors: Self.tensorsPerBlock)
        (positions, width) = (try keys.wanted("context_length"), try keys.wanted("embedding_length"))
        (hidden, heads) = (try keys.wanted("feed_forward_length"), try keys.wanted("attention.head_count"))
        groups = try keys.integer("attention.head_count_kv") ?? heads
        vocabularySize = try keys.vocabularySize()
        isTied = keys.isTied
        hasInputBias = family == .qwen2 || keys.file["blk.0.attn_q.bias"] != nil
        hasOutputBias = keys.file["blk.0.attn_output.bias"] != nil
        hasHiddenBias = keys.file["blk.0.ffn_gate.bias"] != nil
        if let given = try keys.number("attention.layer_norm_rms_epsilon") { epsilon = given }
        if let given = try keys.number("rope.freq_base") { rotaryBase = given }
        let key = try keys.integer("attention.key_length"), value = try keys.integer("attention.value_length")
        if let key, let value, key != value {
            throw keys.refuse("\(keys.architecture).attention.value_length is \(value); only that of keys, \(key), is supported")
        }
        setHeadWidth(key ?? value)
        if family == .llama, let last = try keys.integer("attention.sliding_window"), last > 0 {
            (self.family, window) = (.mistral, last)
        }
        if let problem { throw keys.refuse("\(problem.key) \(problem.problem)") }
        try readRotation(keys)
    }

    /// The least number of tensors of a block.
    static let tensorsPerBlock = 9

    private mutating func readRotation(_ keys: GGUFKeys) throws {
        let D = attention.headWidth
        if let turned = try keys.integer("rope.dimension_count"), turned != D {
            throw keys.refuse("\(keys.architecture).rope.dimension_count is \(turned); only the head width, \(D), is supported")
        }
        let factor = try keys.number("rope.scaling.factor")
        // As in llama.cpp, a factor without a kind is linear.
        let kind = try keys.string("rope.scaling.type") ?? (factor == nil ? "none" : "linear")
        switch kind {
        case "none": break
        case "linear":
            guard let factor, factor > 0, factor.isFinite else {
                throw keys.refuse("\(keys.architecture).rope.scaling.factor is \(factor.map { "\($0)" } ?? "missing"); it must be positive")
            }
            rotaryScaling = .linear(factor: factor)
        default: throw keys.refuse("\(keys.architecture).rope.scaling.type is \(kind); known are none, linear")
        }
        guard let tensor = keys.file["rope_freqs.weight"] else { return }
        guard rotaryScaling == .none else { throw keys.refuse("rope_freqs.weight is given beside a linear scaling") }
        let factors = try tensor.floats()
        guard factors.count == D / 2, factors.allSatisfy({ $0 > 0 }) else {
            throw keys.refuse("rope_freqs.weight has no positive factor for every pair")
        }
        rotaryScaling = .factors(factors.map(Double.init))
    }

    /// The keys of a GGUF file.
    fileprivate var ggufKeys: [GGUFFile.Entry] {
        let D = attention.headWidth
        var keys: [GGUFFile.Entry] = [
            ("vocab_size", .integer(vocabularySize)), ("context_length", .integer(positions)), ("embedding_length", .integer(width)),
            ("block_count", .integer(layers)), ("feed_forward_length", .integer(hidden)), ("attention.head_count", .integer(heads)),
            ("attention.head_count_kv", .integer(groups)), ("attention.key_length", .integer(D)), ("attention.value_length", .integer(D)),
            ("attention.layer_norm_rms_epsilon", .number(epsilon)), ("rope.dimension_count", .integer(D)),
            ("rope.freq_base", .number(rotaryBase)),
        ]
        if case .linear(let factor) = rotaryScaling {
            keys += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .number(factor))]
        }
        if let window { keys.append(("attention.sliding_window", .integer(window))) }
        return keys
    }

    /// For every pair, its frequency without scaling over that with it; nil where the keys say it.
    fileprivate var rotaryFactors: [Float]? {
        switch rotaryScaling {
        case .none, .linear: return nil
        case .factors(let factors): return factors.map(Float.init)
        case .llama3:
            let D = attention.headWidth, plain = RotaryScaling.none.frequencies(base: rotaryBase, width: D)
            return zip(plain, rotaryScaling.frequencies(base: rotaryBase, width: D)).map { Float($0 / $1) }
        }
    }
}

extension Llama: GGUFTrunk {
    /// Opens a GGUF file of an architecture.
    static func ggufArchitecture(_ family: LlamaConfiguration.Family) -> GGUFArchitecture {
        GGUFArchitecture { keys in Llama(try LlamaConfiguration(keys, family: family)) }
    }

    /// Llama and Mistral are the architecture `llama`, whose files have the rows of queries and keys in another order.
    ///
    /// llama.cpp ignores the sliding window of Mistral: it computes the same up to so many tokens.
    var ggufLayout: GGUFLayout {
        let c = configuration, isLlama = c.family != .qwen2, names = ggufNames
        let places = layout.parameters.filter { !Adapters.contains($0) }.map { parameter in
            let heads = isLlama ? headsOfRotated(parameter.name) : nil
            return GGUFPlace(
                parameter, names[parameter.name] ?? parameter.name, heads.map { .interleaved(heads: $0) } ?? .same)
        }
        var gguf = GGUFLayout(architecture: isLlama ? "llama" : "qwen2", keys: c.ggufKeys, places: places)
        if let factors = c.rotaryFactors { gguf.constants = [("rope_freqs.weight", factors)] }
        gguf.idle = c.isTied ? ["rope_freqs.weight", "output.weight"] : ["rope_freqs.weight"]
        return gguf
    }

    /// The number of heads of a projection whose outputs get rotary positions; nil for another parameter.
    private func headsOfRotated(_ name: String) -> Int? {
        if name.contains(".self_attn.q_proj.") { return configuration.heads }
        return name.contains(".self_attn.k_proj.") ? configuration.groups : nil
    }

    /// The GGUF name of each parameter.
    private var ggufNames: [String: String] {
        var names = [
            "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight",
        ]
        let parts = [
            "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
            "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
            "mlp.down_proj": "ffn_down",
        ]
        for layer in 0..<configuration.layers {
            for (own, stored) in parts {
                for kind in ["weight", "bias"] { names["model.layers.\(layer).\(own).\(kind)"] = "blk.\(layer).\(stored).\(kind)" }
            }
        }
        return names
    }
}
