import Layers
import Tensors

/// What the decoder needs of a trunk: the kinds and sizes of its parts, and the names of its parameters.
///
/// The decoder interprets it and knows no family. All families are blocks of x + attention(norm(x)), then x + MLP(norm(x)).
public struct DecodingPlan: Sendable {
    /// The kind of all norms, with its ε.
    public enum Norm: Sendable, Equatable {
        /// Parameters `NAME.weight` and `NAME.bias`.
        case layer(epsilon: Double)
        /// Parameter `NAME.weight`.
        case rootMeanSquare(epsilon: Double)
    }

    /// How tokens know their positions.
    public enum Positions: Sendable, Equatable {
        /// A parameter (positions, C) that is added to the embeddings of tokens.
        case learned(table: String)
        /// Queries and keys are rotated: the angular frequencies of a head's pairs (i, i + D/2), in radians per position.
        case rotary(frequencies: [Double])
    }

    /// Some outputs of a projection y = x · W + b, whose parameters are `NAME.weight` and `NAME.bias`; all outputs if it is not fused.
    public struct Projection: Sendable, Equatable {
        /// The prefix of the parameters' names.
        public var name: String
        /// The width of x.
        public var inputs: Int
        /// The outputs of W that are meant, and the number of all.
        public var outputs: Range<Int>, allOutputs: Int
        public var hasBias: Bool
        /// Whether W is stored as (inputs, outputs), as GPT-2's. A frozen matrix is always (outputs, inputs).
        public var isInputsFirst: Bool
        /// The factor of the low-rank product of `NAME.lora_A.weight` and `NAME.lora_B.weight`; nil if there is no adapter.
        public var adapterScale: Double?

        public init(
            _ name: String, _ inputs: Int, _ allOutputs: Int, outputs: Range<Int>? = nil, hasBias: Bool, isInputsFirst: Bool,
            adapters: Adapters?
        ) {
            self.name = name
            self.inputs = inputs
            self.outputs = outputs ?? 0..<allOutputs
            self.allOutputs = allOutputs
            self.hasBias = hasBias
            self.isInputsFirst = isInputsFirst
            adapterScale = adapters.flatMap { $0.adapts(name) ? $0.scale(of: name) : nil }
        }
    }

    /// The parts of a block.
    public struct Block: Sendable, Equatable {
        /// Before the attention and before the MLP.
        public var normBefore: String, normAfter: String
        public var query: Projection, key: Projection, value: Projection, output: Projection
        /// down(f(gate(x)) ⊙ up(x)), or down(f(up(x))) without a gate.
        public var gate: Projection?, up: Projection, down: Projection
    }

    /// V, the number of tokens, and the length of the longest sequence.
    public var vocabularySize: Int, positionLimit: Int
    /// C, the width between blocks, and the width within the MLP.
    public var width: Int, hidden: Int
    /// The heads of queries, of keys and values, and the width of each.
    public var heads: Int, groups: Int, headWidth: Int
    /// The number of last keys that a query attends to; all if nil.
    public var window: Int?
    public var norm: Norm
    public var positions: Positions
    public var activation: Activation
    public var blocks: [Block]
    /// The table of token embeddings (V, C), the norm after the last block, and the table of the head (V, C).
    public var tokens: String, lastNorm: String, head: String

    /// The width of the widest input of a projection.
    var widestInput: Int { max(width, hidden, heads * headWidth) }
}
