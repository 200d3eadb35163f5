import Safetensors
import StrictJSON
import Tensors

/// LoRA: a change of rank r to chosen projections, W + α/r · A · B, kept apart from the model or merged into it.
/// https://arxiv.org/abs/2106.09685
///
/// Directories are PEFT's: `adapter_config.json` and `adapter_model.safetensors`, in which A is (r, inputs) and B
/// (outputs, r), both transposed.  https://huggingface.co/docs/peft/developer_guides/checkpoint
public struct LowRankAdapter: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// r
        public var rank = 8
        /// α
        public var alpha = 16.0
        /// The last parts of the projections' names: `c_attn`, `c_fc`, `c_proj`, or more of them: `mlp.c_proj`.
        public var targets = ["c_attn"]

        public init() {}

        /// Whether the projection `h.0.attn.c_attn` is chosen.
        public func chooses(_ projection: String) -> Bool {
            targets.contains { projection == $0 || projection.hasSuffix(".\($0)") }
        }
    }

    /// One projection's change.
    struct Change: Sendable {
        /// (r, inputs) and (outputs, r)
        var a: [Float]
        var b: [Float]
        let inputs: Int
        let outputs: Int
    }

    public let configuration: Configuration
    private var changes: [String: Change]

    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case noTarget([String])

        public var description: String {
            switch self {
            case .noTarget(let targets): "no projection of this model is called \(targets.joined(separator: " or "))"
            }
        }
    }

    /// An adapter that changes nothing yet: A is uniform in ±1/√inputs, as PEFT draws it, and B is zero. Throws `Refusal`.
    public init(_ model: GPT2, _ configuration: Configuration, using random: inout some RandomNumberGenerator) throws(Refusal) {
        precondition(configuration.rank >= 1, "a rank of \(configuration.rank)")
        self.configuration = configuration
        changes = [:]
        for (name, inputs, outputs) in Self.projections(model) where configuration.chooses(name) {
            let bound = 1 / Float(inputs).squareRoot()
            let a = (0..<configuration.rank * inputs).map { _ in Float.random(in: -bound...bound, using: &random) }
            changes[name] = Change(a: a, b: Array(repeating: 0, count: outputs * configuration.rank), inputs: inputs, outputs: outputs)
        }
        if changes.isEmpty { throw .noTarget(configuration.targets) }
    }

    /// Opens PEFT's directory for a model. Throws `CheckpointError` or `SafetensorsError`: another kind of adapter, tensors
    /// that are missing, unexpected or of another shape.
    public init(directory: String, model: GPT2) throws {
        let file = "\(directory)/adapter_config.json"
        configuration = try Configuration(JSON(file: file), file: file)
        let archive = try TensorArchive(mapping: "\(directory)/adapter_model.safetensors")
        changes = [:]
        var used: Set<String> = []
        for (name, inputs, outputs) in Self.projections(model) where configuration.chooses(name) {
            let (a, b) = Self.savedNames(name)
            used.formUnion([a, b])
            changes[name] = Change(
                a: try archive.tensor(a, shape: [configuration.rank, inputs]).floats(),
                b: try archive.tensor(b, shape: [outputs, configuration.rank]).floats(), inputs: inputs, outputs: outputs)
        }
        let unexpected = archive.names.filter { !used.contains($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        if changes.isEmpty { throw Refusal.noTarget(configuration.targets) }
    }

    /// Saves PEFT's directory. Throws `SafetensorsError`.
    /// - Parameter base: the directory or hub name of the model that this adapts.
    public func save(to directory: String, base: String) throws {
        try makeDirectory(directory)
        let tensors = changes.flatMap { name, change in
            let (a, b) = Self.savedNames(name)
            return [
                TensorContent(name: a, shape: [configuration.rank, change.inputs], floats: change.a),
                TensorContent(name: b, shape: [change.outputs, configuration.rank], floats: change.b),
            ]
        }
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/adapter_model.safetensors")
        try replaceFile(at: "\(directory)/adapter_config.json", with: configuration.json(base: base).text(indent: 2) + "\n")
    }

    /// The projections that are changed, by name.
    public var projections: [String] { changes.keys.sorted() }

    /// A (r, inputs) and B (outputs, r) of a projection.
    public subscript(projection: String) -> (a: [Float], b: [Float])? {
        get { changes[projection].map { ($0.a, $0.b) } }
        set {
            guard let newValue, let old = changes[projection] else { return }
            precondition(newValue.a.count == old.a.count && newValue.b.count == old.b.count, "\(projection) keeps its shape")
            changes[projection]?.a = newValue.a
            changes[projection]?.b = newValue.b
        }
    }

    /// W += α/r · A · B
    public func merge(into parameters: ParameterStore<Float>) { add(Float(configuration.alpha) / Float(configuration.rank), to: parameters) }

    /// W −= α/r · A · B, which restores the weights up to rounding.
    public func unmerge(from parameters: ParameterStore<Float>) { add(-Float(configuration.alpha) / Float(configuration.rank), to: parameters) }

    /// W (inputs, outputs) as GPT-2 keeps it.
    private func add(_ scale: Float, to parameters: ParameterStore<Float>) {
        for (name, change) in changes {
            let weight = parameters["\(name).weight"]
            precondition(weight.count == change.inputs * change.outputs, "\(name) is \(weight.count) numbers")
            change.a.withUnsafeBufferPointer { a in
                change.b.withUnsafeBufferPointer { b in
                    Float.multiply(
                        Matrix(a.baseAddress!, stride: change.inputs, transposed: true),
                        Matrix(b.baseAddress!, stride: configuration.rank, transposed: true), into: weight.baseAddress!,
                        stride: change.outputs, m: change.inputs, n: change.outputs, k: configuration.rank, alpha: scale, beta: 1)
                }
            }
        }
    }

    /// The model's projections: name, inputs, outputs.
    private static func projections(_ model: GPT2) -> [(String, Int, Int)] {
        model.parameters.compactMap { parameter in
            guard parameter.name.hasPrefix("h."), parameter.shape.count == 2 else { return nil }
            return (String(parameter.name.dropLast(".weight".count)), parameter.shape[0], parameter.shape[1])
        }
    }

    private static func savedNames(_ projection: String) -> (a: String, b: String) {
        let name = "base_model.model.transformer.\(projection)"
        return ("\(name).lora_A.weight", "\(name).lora_B.weight")
    }
}

extension LowRankAdapter.Configuration {
    fileprivate init(_ json: JSON, file: String) throws(CheckpointError) {
        func refuse(_ key: String) -> CheckpointError { .configuration(file: file, key: key, "is \(json[key]?.text() ?? "missing")") }
        guard json["peft_type"]?.string == "LORA" else { throw refuse("peft_type") }
        for key in ["use_rslora", "use_dora", "lora_bias"] where json[key]?.bool == true { throw refuse(key) }
        for key in ["rank_pattern", "alpha_pattern"] where !(json[key]?.object ?? [:]).isEmpty { throw refuse(key) }
        for key in ["modules_to_save", "layers_to_transform"] where json[key] ?? .null != .null { throw refuse(key) }
        guard json["bias"] == nil || json["bias"]?.string == "none" else { throw refuse("bias") }
        guard let rank = json["r"]?.integer, (1...65_536).contains(rank) else { throw refuse("r") }
        guard let alpha = json["lora_alpha"]?.double, alpha.isFinite else { throw refuse("lora_alpha") }
        guard let targets = json["target_modules"]?.array?.compactMap(\.string), !targets.isEmpty else { throw refuse("target_modules") }
        self.rank = rank
        self.alpha = alpha
        self.targets = targets
    }

    fileprivate func json(base: String) -> JSON {
        .object([
            "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "base_model_name_or_path": .string(base), "r": .integer(rank),
            "lora_alpha": .number(alpha), "target_modules": .array(targets.map(JSON.string)), "fan_in_fan_out": .bool(true),
            "bias": .string("none"), "lora_dropout": .number(0), "inference_mode": .bool(true),
        ])
    }
}
