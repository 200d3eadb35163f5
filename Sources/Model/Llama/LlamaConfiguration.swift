import Layers
import Statistics

/// The shape of a model of the Llama family, by the keys of Hugging Face's `config.json`.
public struct LlamaConfiguration: Sendable, Equatable {
    /// `model_type`: the family that transformers opens the model as.
    public var family = Family.llama
    /// `vocab_size`
    public var vocabularySize = 32_000
    /// `max_position_embeddings`: the longest sequence.
    public var positions = 2_048
    /// `hidden_size`
    public var width = 4_096
    /// `intermediate_size`
    public var hidden = 11_008
    /// `num_hidden_layers`
    public var layers = 32
    /// `num_attention_heads`
    public var heads = 32
    /// `num_key_value_heads`: the number of heads of keys and values, a divisor of `heads`.
    public var groups = 32
    /// `head_dim`: the width of one head; width / heads if nil.
    public var headWidth: Int?
    /// `rms_norm_eps`
    public var epsilon = 1e-6
    /// `rope_theta`
    public var rotaryBase = 10_000.0
    /// `rope_scaling`
    public var rotaryScaling = RotaryScaling.none
    /// `sliding_window`: the number of last keys that a query attends to; all if nil.
    public var window: Int?
    /// Whether the query, key and value projections have biases.
    public var hasInputBias = false
    /// Whether the attention's output projection has a bias.
    public var hasOutputBias = false
    /// Whether the MLP's projections have biases.
    public var hasHiddenBias = false
    /// `initializer_range`: the standard deviation of initial weights.
    public var deviation = 0.02
    /// `tie_word_embeddings`: whether the head uses the embedding's table.
    public var isTied = false

    /// Families with the same layers and different configuration files.
    public enum Family: String, Sendable, CaseIterable {
        case llama, mistral, qwen2

        /// The model class in transformers.
        var architecture: String {
            switch self {
            case .llama: "LlamaForCausalLM"
            case .mistral: "MistralForCausalLM"
            case .qwen2: "Qwen2ForCausalLM"
            }
        }
    }

    public init() {}

    /// Sets the width of a head that a file gives; the usual one is stored as nil, so that equal shapes are equal.
    mutating func setHeadWidth(_ given: Int?) {
        let usual = heads > 0 && width.isMultiple(of: heads) ? width / heads : nil
        headWidth = given == usual ? nil : given
    }

    var attention: GroupedAttention.Shape {
        GroupedAttention.Shape(
            width: width, heads: heads, groups: groups, headWidth: headWidth ?? width / heads, hasInputBias: hasInputBias,
            hasOutputBias: hasOutputBias)
    }

    /// The first invalid value; nil if all are valid.
    public var problem: SettingsError? {
        let sizes = [
            ("vocab_size", vocabularySize), ("max_position_embeddings", positions), ("hidden_size", width), ("intermediate_size", hidden),
            ("num_hidden_layers", layers), ("num_attention_heads", heads), ("num_key_value_heads", groups), ("head_dim", headWidth ?? 2),
            ("sliding_window", window ?? 1),
        ]
        if let (key, size) = sizes.first(where: { $0.1 < 1 || $0.1 > 1 << 24 }) {
            return SettingsError(key, "is \(size); it must be between 1 and \(1 << 24)")
        }
        if layers > Self.maximumLayers {
            return SettingsError("num_hidden_layers", "is \(layers); it must be at most \(Self.maximumLayers)")
        }
        if headWidth == nil, !width.isMultiple(of: heads) {
            return SettingsError("num_attention_heads", "\(heads) heads do not divide a width of \(width)")
        }
        if !heads.isMultiple(of: groups) { return SettingsError("num_key_value_heads", "\(groups) do not divide \(heads) heads") }
        if heads * (headWidth ?? width / heads) > 1 << 24 {
            return SettingsError("head_dim", "\(heads) heads of \(headWidth ?? width / heads) are wider than \(1 << 24)")
        }
        if !(headWidth ?? width / heads).isMultiple(of: 2) {
            return SettingsError("head_dim", "is \(headWidth ?? width / heads); rotary positions rotate pairs, so it must be even")
        }
        if !(epsilon > 0 && epsilon < 1) { return SettingsError("rms_norm_eps", "is \(epsilon); it must be between 0 and 1") }
        if !(rotaryBase > 0 && rotaryBase.isFinite) { return SettingsError("rope_theta", "is \(rotaryBase); it must be positive") }
        if case .factors(let factors) = rotaryScaling, factors.count != (headWidth ?? width / heads) / 2 {
            return SettingsError("rope_scaling", "has \(factors.count) factors for heads of \(headWidth ?? width / heads)")
        }
        if !(deviation >= 0 && deviation.isFinite) { return SettingsError("initializer_range", "is \(deviation)") }
        return nil
    }

    /// An upper bound of the number of blocks, beyond any existing model.
    static let maximumLayers = 4_096
}
