import Files
import Layers
import Safetensors
import StrictJSON
import Tensors

/// Adapters as PEFT keeps them: `adapter_config.json` and `adapter_model.safetensors`, in which A is (r, inputs) and B
/// (outputs, r).  https://huggingface.co/docs/peft/developer_guides/checkpoint
extension Adapters {
    /// Opens PEFT's directory for a model: what the adapters are, and a store of their numbers alone. Throws
    /// `CheckpointError` or `SafetensorsError`: another kind of adapter, tensors that are missing, unexpected or of another shape.
    public static func open(directory: String, for model: GPT2) throws -> (adapters: Adapters, parameters: ParameterStore<Float>) {
        let file = "\(directory)/adapter_config.json"
        let adapters = try Adapters(JSON(file: file), file: file)
        let adapted = GPT2(model.configuration, adapters: adapters)
        let store = ParameterStore<Float>(ParameterLayout(adapted.parameters.filter(contains)))
        guard !store.layout.parameters.isEmpty else {
            throw CheckpointError.configuration(
                file: file, key: "target_modules", "names \(adapters.projections.joined(separator: ", ")), which this model does not have")
        }
        let archive = try TensorArchive(mapping: "\(directory)/adapter_model.safetensors")
        let used = Set(store.layout.parameters.map { savedName($0.name) })
        let unexpected = archive.names.filter { !used.contains($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        for parameter in store.layout.parameters {
            try archive.tensor(savedName(parameter.name), shape: parameter.shape).copy(into: store[parameter.name])
        }
        return (adapters, store)
    }

    /// Saves PEFT's directory from a store that holds adapters, and perhaps more. Throws `SafetensorsError`.
    /// - Parameter base: the directory or hub name of the model that they adapt.
    public func save(_ store: ParameterStore<Float>, to directory: String, base: String) throws {
        try makeDirectory(directory)
        let tensors = store.layout.parameters.filter(Self.contains).map {
            TensorContent(name: Self.savedName($0.name), shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/adapter_model.safetensors")
        try replaceFile(at: "\(directory)/adapter_config.json", with: json(base: base).text(indent: 2) + "\n")
    }

    private static func savedName(_ parameter: String) -> String { "base_model.model.transformer.\(parameter)" }

    private init(_ json: JSON, file: String) throws(CheckpointError) {
        func refuse(_ key: String) -> CheckpointError { .configuration(file: file, key: key, "is \(json[key]?.text() ?? "missing")") }
        guard json["peft_type"]?.string == "LORA" else { throw refuse("peft_type") }
        for key in ["use_rslora", "use_dora", "lora_bias"] where json[key]?.bool == true { throw refuse(key) }
        for key in ["rank_pattern", "alpha_pattern"] where !(json[key]?.object ?? [:]).isEmpty { throw refuse(key) }
        for key in ["modules_to_save", "layers_to_transform"] where json[key] ?? .null != .null { throw refuse(key) }
        guard json["bias"] == nil || json["bias"]?.string == "none" else { throw refuse("bias") }
        guard let rank = json["r"]?.integer, (1...65_536).contains(rank) else { throw refuse("r") }
        guard let alpha = json["lora_alpha"]?.double, alpha.isFinite else { throw refuse("lora_alpha") }
        guard let targets = json["target_modules"]?.array?.compactMap(\.string), !targets.isEmpty else { throw refuse("target_modules") }
        self.init(rank: rank, alpha: alpha, projections: targets)
    }

    private func json(base: String) -> JSON {
        .object([
            "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "base_model_name_or_path": .string(base), "r": .integer(rank),
            "lora_alpha": .number(alpha), "target_modules": .array(projections.map(JSON.string)), "fan_in_fan_out": .bool(true),
            "bias": .string("none"), "lora_dropout": .number(0), "inference_mode": .bool(true),
        ])
    }
}
