import GGUF
import Layers
import Tensors

extension GPT2: GGUFTrunk {
    /// Opens a GGUF file of the architecture `gpt2`.
    static let ggufArchitecture = GGUFArchitecture { keys in GPT2(try GPT2Configuration(keys)) }

    /// Projections have outputs as rows there, and inputs here.
    var ggufLayout: GGUFLayout {
        let c = configuration
        var names = [
            "wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight", "ln_f.weight": "output_norm.weight",
            "ln_f.bias": "output_norm.bias", "lm_head.weight": "output.weight",
        ]
        let parts = [
            "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up",
            "mlp.c_proj": "ffn_down",
        ]
        for layer in 0..<c.layers {
            for (own, stored) in parts {
                for kind in ["weight", "bias"] { names["h.\(layer).\(own).\(kind)"] = "blk.\(layer).\(stored).\(kind)" }
            }
        }
        let places = layout.parameters.filter { !Adapters.contains($0) }.map { parameter in
            var isProjection = false
            if case .projection = role(of: parameter) { isProjection = true }
            return GGUFPlace(
                parameter, names[parameter.name] ?? parameter.name, isProjection ? .transposed : .same,
                isExact: parameter.name == "wpe.weight")
        }
        var gguf = GGUFLayout(
            architecture: "gpt2",
            keys: [
                ("vocab_size", .integer(c.vocabularySize)), ("context_length", .integer(c.positions)),
                ("embedding_length", .integer(c.width)), ("block_count", .integer(c.layers)),
                ("feed_forward_length", .integer(c.hidden ?? 4 * c.width)), ("attention.head_count", .integer(c.heads)),
                ("attention.layer_norm_epsilon", .number(c.epsilon)),
            ], places: places)
        if c.isTied { gguf.idle = ["output.weight"] }
        if c.activation != .gelu {
            gguf.refusal = "activation_function is \(c.activation.rawValue); the architecture gpt2 of GGUF files has gelu_new only"
        }
        return gguf
    }
}

extension GPT2Configuration {
    /// The shape of a model of the architecture `gpt2`.
    /// - Throws: `GGUFModelError`, if a key is missing or invalid.
    fileprivate init(_ keys: GGUFKeys) throws(GGUFModelError) {
        self.init()
        layers = try keys.blocks(ofTensors: Self.tensorsPerBlock)
        (positions, width) = (try keys.wanted("context_length"), try keys.wanted("embedding_length"))
        let inner = try keys.wanted("feed_forward_length")
        // The usual width is stored as nil, so that equal shapes are equal.
        hidden = inner == width.multipliedReportingOverflow(by: 4).partialValue ? nil : inner
        heads = try keys.wanted("attention.head_count")
        if let groups = try keys.integer("attention.head_count_kv"), groups != heads {
            throw keys.refuse("gpt2.attention.head_count_kv is \(groups) of \(heads) heads; GPT-2 has as many")
        }
        if let given = try keys.number("attention.layer_norm_epsilon") { epsilon = given }
        vocabularySize = try keys.vocabularySize()
        isTied = keys.isTied
        if let problem { throw keys.refuse("\(problem.key) \(problem.problem)") }
    }
}
