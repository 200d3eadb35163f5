extension GPT2 {
    public var decoding: DecodingPlan {
        let c = configuration, hidden = c.hidden ?? 4 * c.width
        func projection(_ name: String, _ inputs: Int, _ allOutputs: Int, part: Int? = nil) -> DecodingPlan.Projection {
            DecodingPlan.Projection(
                name, inputs, allOutputs, outputs: part.map { $0 * c.width..<($0 + 1) * c.width }, hasBias: true, isInputsFirst: true,
                adapters: adapters)
        }
        return DecodingPlan(
            vocabularySize: c.vocabularySize, positionLimit: c.positions, width: c.width, hidden: hidden, heads: c.heads, groups: c.heads,
            headWidth: c.width / c.heads, window: nil, norm: .layer(epsilon: c.epsilon), positions: .learned(table: "wpe.weight"),
            activation: c.activation,
            blocks: (0..<c.layers).map { layer in
                func part(_ number: Int) -> DecodingPlan.Projection {
                    projection("h.\(layer).attn.c_attn", c.width, 3 * c.width, part: number)
                }
                return DecodingPlan.Block(
                    normBefore: "h.\(layer).ln_1", normAfter: "h.\(layer).ln_2", query: part(0), key: part(1), value: part(2),
                    output: projection("h.\(layer).attn.c_proj", c.width, c.width), gate: nil,
                    up: projection("h.\(layer).mlp.c_fc", c.width, hidden), down: projection("h.\(layer).mlp.c_proj", hidden, c.width))
            }, tokens: "wte.weight", lastNorm: "ln_f", head: c.isTied ? "wte.weight" : "lm_head.weight")
    }
}
