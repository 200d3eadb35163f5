import Files
import Foundation
import GGUF
import Layers
import Tensors

/// Why a GGUF file cannot be opened as a model or tokenizer.
public struct GGUFModelError: Error, Equatable, CustomStringConvertible {
    /// The file's path.
    public let source: String
    /// What is wrong with it.
    public let problem: String

    public var description: String { "\(source): \(problem)" }
}

extension LlamaConfiguration {
    /// The shape of a model of the architectures `llama` (Llama, Mistral, SmolLM) and `qwen2`.
    /// - Throws: `GGUFModelError`, if it has another architecture, or a key is missing or invalid.
    init(_ file: GGUFFile) throws(GGUFModelError) {
        func refuse(_ problem: String) -> GGUFModelError { GGUFModelError(source: file.source, problem: problem) }
        guard let architecture = file.metadata["general.architecture"]?.string else { throw refuse("general.architecture is missing") }
        guard let family = Self.families[architecture] else {
            throw refuse("general.architecture is \(architecture); known are \(Self.families.keys.sorted().joined(separator: ", "))")
        }
        func integer(_ key: String) throws(GGUFModelError) -> Int? {
            guard let value = file.metadata["\(architecture).\(key)"] else { return nil }
            guard let integer = value.integer else { throw refuse("\(architecture).\(key) is not an integer") }
            return integer
        }
        func wanted(_ key: String) throws(GGUFModelError) -> Int {
            guard let value = try integer(key) else { throw refuse("\(architecture).\(key) is missing") }
            return value
        }
        self.init()
        self.family = family
        hasInputBias = family == .qwen2
        (layers, positions, width) = (try wanted("block_count"), try wanted("context_length"), try wanted("embedding_length"))
        (hidden, heads) = (try wanted("feed_forward_length"), try wanted("attention.head_count"))
        groups = try integer("attention.head_count_kv") ?? heads
        setHeadWidth(try integer("attention.key_length"))
        guard let table = file["token_embd.weight"], table.shape.count == 2 else { throw refuse("there is no table token_embd.weight") }
        vocabularySize = table.shape[0]
        isTied = file["output.weight"] == nil
        if let given = file.metadata["\(architecture).attention.layer_norm_rms_epsilon"]?.double { epsilon = given }
        if let given = file.metadata["\(architecture).rope.freq_base"]?.double { rotaryBase = given }
        if let problem { throw refuse("\(problem.key) \(problem.problem)") }
        if let turned = try integer("rope.dimension_count"), turned != attention.headWidth {
            throw refuse("\(architecture).rope.dimension_count is \(turned); only the head width, \(attention.headWidth), is supported")
        }
        if let kind = file.metadata["\(architecture).rope.scaling.type"]?.string, kind != "none" {
            guard kind == "linear", let factor = file.metadata["\(architecture).rope.scaling.factor"]?.double, factor > 0, factor.isFinite
            else {
                throw refuse("\(architecture).rope.scaling.type is \(kind); known are none, and linear with a factor")
            }
            rotaryScaling = .linear(factor: factor)
        }
        if let factors = file["rope_freqs.weight"] {
            let numbers: [Float]
            do { numbers = try factors.floats() } catch { throw refuse("\(error)") }
            guard numbers.count == attention.headWidth / 2, numbers.allSatisfy({ $0 > 0 }) else {
                throw refuse("rope_freqs.weight has no positive factor for every pair")
            }
            rotaryScaling = .factors(numbers.map(Double.init))
        }
    }

    private static let families: [String: Family] = ["llama": .llama, "qwen2": .qwen2]
}

/// The weights of a GGUF file of this architecture, in any storage format.
struct GGUFWeights: StoredWeights {
    private let tensors: [String: GGUFTensor]
    private let orders: [String: [Int32]]

    /// - Throws: `GGUFError`, if a tensor is missing, or of another shape.
    init(_ file: GGUFFile, _ model: Llama) throws(GGUFError) {
        let places = model.storedNames
        var tensors: [String: GGUFTensor] = [:], orders: [String: [Int32]] = [:]
        for parameter in model.layout.parameters {
            tensors[parameter.name] = try file.tensor(places[parameter.name] ?? parameter.name, shape: parameter.shape)
            if model.configuration.family == .llama, let heads = model.headsOfRotated(parameter.name) {
                orders[parameter.name] = Self.order(rows: parameter.shape[0], heads: heads)
            }
        }
        self.tensors = tensors
        self.orders = orders
    }

    /// Files of this architecture interleave the two halves of every head's rows: row i + j · D/2 of a head is row 2i + j there.
    private static func order(rows: Int, heads: Int) -> [Int32] {
        let D = rows / heads, half = D / 2
        return (0..<rows).map { row in
            let (head, place) = row.quotientAndRemainder(dividingBy: D)
            return Int32(head * D + 2 * (place % half) + place / half)
        }
    }

    func copy(_ parameter: Parameter, into numbers: UnsafeMutableBufferPointer<Float>) throws {
        guard let tensor = tensors[parameter.name] else { preconditionFailure("\(parameter.name) is not of this model") }
        try tensor.copy(into: numbers)
        guard let order = orders[parameter.name] else { return }
        let stored = Array(numbers), columns = numbers.count / order.count
        for (row, place) in order.enumerated() {
            for column in 0..<columns { numbers[row * columns + column] = stored[Int(place) * columns + column] }
        }
    }

    func matrix(_ parameter: Parameter) throws -> (any FrozenMatrix)? {
        guard let tensor = tensors[parameter.name], tensor.type != .float32 else { return nil }
        try tensor.checkFinite()
        return GGUFMatrix(tensor, order: orders[parameter.name])
    }
}

extension Llama {
    /// The number of heads of a projection whose outputs get rotary positions; nil for another parameter.
    fileprivate func headsOfRotated(_ name: String) -> Int? {
        if name.contains(".self_attn.q_proj.") { return configuration.heads }
        return name.contains(".self_attn.k_proj.") ? configuration.groups : nil
    }

    /// The GGUF name of each parameter.
    fileprivate var storedNames: [String: String] {
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
