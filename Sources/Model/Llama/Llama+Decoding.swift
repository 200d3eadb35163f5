extension Llama {
    public var decoding: DecodingPlan {
        let c = configuration, shape = c.attention, D = shape.headWidth
        func projection(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool) -> DecodingPlan.Projection {
            DecodingPlan.Projection(name, inputs, outputs, hasBias: bias, isInputsFirst: false, adapters: adapters)
        }
        return DecodingPlan(
            vocabularySize: c.vocabularySize, positionLimit: c.positions, width: c.width, hidden: c.hidden, heads: c.heads,
            groups: c.groups, headWidth: D, window: c.window, norm: .rootMeanSquare(epsilon: c.epsilon),
            positions: .rotary(frequencies: c.rotaryScaling.frequencies(base: c.rotaryBase, width: D)), activation: .silu,
            blocks: (0..<c.layers).map { layer in
                let attention = "model.layers.\(layer).self_attn", mlp = "model.layers.\(layer).mlp"
                return DecodingPlan.Block(
                    normBefore: "model.layers.\(layer).input_layernorm", normAfter: "model.layers.\(layer).post_attention_layernorm",
                    query: projection("\(attention).q_proj", c.width, c.heads * D, bias: c.hasInputBias),
                    key: projection("\(attention).k_proj", c.width, c.groups * D, bias: c.hasInputBias),
                    value: projection("\(attention).v_proj", c.width, c.groups * D, bias: c.hasInputBias),
                    output: projection("\(attention).o_proj", c.heads * D, c.width, bias: c.hasOutputBias),
                    gate: projection("\(mlp).gate_proj", c.width, c.hidden, bias: c.hasHiddenBias),
                    up: projection("\(mlp).up_proj", c.width, c.hidden, bias: c.hasHiddenBias),
                    down: projection("\(mlp).down_proj", c.hidden, c.width, bias: c.hasHiddenBias))
            }, tokens: "model.embed_tokens.weight", lastNorm: "model.norm",
            head: c.isTied ? "model.embed_tokens.weight" : "lm_head.weight")
    }
}
