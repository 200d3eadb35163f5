import Statistics
import Tensors

/// The shape of a GPT-2, by the keys of Hugging Face's `config.json`. The defaults are GPT-2 of 124 million parameters.
public struct GPT2Configuration: Sendable, Equatable {
    /// `vocab_size`
    public var vocabularySize = 50_257
    /// `n_positions`: the longest sequence.
    public var positions = 1_024
    /// `n_embd`
    public var width = 768
    /// `n_layer`
    public var layers = 12
    /// `n_head`
    public var heads = 12
    /// `n_inner`: the width between the MLP's projections; 4 · width if nil.
    public var hidden: Int?
    /// `layer_norm_epsilon`
    public var epsilon = 1e-5
    /// `activation_function`
    public var activation = Activation.gelu
    /// `initializer_range`: the standard deviation of initial weights.
    public var deviation = 0.02
    /// `tie_word_embeddings`: whether the head uses the embedding's table.
    public var isTied = true

    public init(
        vocabularySize: Int = 50_257, positions: Int = 1_024, width: Int = 768, layers: Int = 12, heads: Int = 12
    ) {
        self.vocabularySize = vocabularySize
        self.positions = positions
        self.width = width
        self.layers = layers
        self.heads = heads
    }

    /// The largest valid size, number of layers, and total number of parameters: beyond any existing model, and far from overflow.
    public static let sizeLimit = 1 << 24, layerLimit = 1 << 12, parameterLimit = 1 << 40

    /// The number of tensors of a block.
    static let tensorsPerBlock = 12

    /// The number of parameters of a model of this shape, without adapters; at most the largest `Int`.
    public var parameterCount: Int {
        func product(_ sizes: Int...) -> Int { sizes.reduce(1) { $0.clampedMultiplying(by: $1) } }
        let hidden = hidden ?? width.clampedMultiplying(by: 4)
        // The weights of attention and MLP, their biases, and two norms.
        let block = [product(4, width, width), product(2, width, hidden), product(9, width), hidden].reduce(0) { $0.clampedAdding($1) }
        let tables = product(isTied ? 1 : 2, vocabularySize, width).clampedAdding(product(positions, width))
        return tables.clampedAdding(product(layers, block)).clampedAdding(product(2, width))
    }

    /// The first invalid value; nil if all are valid.
    public var problem: SettingsError? {
        let sizes = [
            ("vocab_size", vocabularySize), ("n_positions", positions), ("n_embd", width), ("n_layer", layers), ("n_head", heads),
            ("n_inner", hidden ?? 1),
        ]
        for (key, size) in sizes {
            let limit = key == "n_layer" ? Self.layerLimit : Self.sizeLimit
            if size < 1 || size > limit { return SettingsError(key, "is \(size); it must be between 1 and \(limit)") }
        }
        if parameterCount > Self.parameterLimit {
            return SettingsError(
                "n_embd", "is \(width): with \(layers) layers and the other sizes, that is more than \(Self.parameterLimit) numbers")
        }
        if !width.isMultiple(of: heads) { return SettingsError("n_head", "\(heads) heads do not divide a width of \(width)") }
        if !(epsilon > 0 && epsilon < 1) { return SettingsError("layer_norm_epsilon", "is \(epsilon); it must be between 0 and 1") }
        if !(deviation >= 0 && deviation.isFinite) { return SettingsError("initializer_range", "is \(deviation)") }
        return nil
    }
}
