import Files
import Layers
import Safetensors
import StrictJSON
import Tensors

/// Reads and writes adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`, in which A is (r, inputs)
/// and B (outputs, r).  https://huggingface.co/docs/peft/developer_guides/checkpoint
extension Adapters {
    /// Opens a PEFT directory.
    ///
    /// - Parameters:
    ///   - directory: its path.
    ///   - model: the model that the adapters are for.
    /// - Returns: the adapters' description, and a store of their parameters only.
    /// - Throws: `CheckpointError` or `SafetensorsError`: another kind of adapter, tensors that are missing, unexpected or of
    ///   another shape.
    public static func open(directory: String, for model: some Trunk) throws -> (adapters: Adapters, parameters: ParameterStore<Float>) {
        let file = "\(directory)/adapter_config.json"
        let configuration = try PEFTConfiguration(JSON(file: file), file: file)
        let archive = try TensorArchive(mapping: "\(directory)/adapter_model.safetensors")
        // Adapters of a model without its head have names without the first part.
        let first = model.savedName(of: model.projections.first ?? ""), bare = first.drop { $0 != "." }.dropFirst()
        let start = String(first.prefix { $0 != "." }) + "."
        let isBare =
            !archive.names.contains { $0.hasPrefix(savedPrefix + start) }
            && archive.names.contains { $0.hasPrefix(savedPrefix + bare.prefix { $0 != "." } + ".") }
        func stored(_ name: String) -> String {
            let saved = model.savedName(of: name)
            return isBare && saved.hasPrefix(start) ? String(saved.dropFirst(start.count)) : saved
        }
        let projections = model.projections
        let modules = model.parameters.compactMap { $0.name.hasSuffix(".weight") ? String($0.name.dropLast(".weight".count)) : nil }
        let others = modules.filter { !projections.contains($0) && $0 != "lm_head" } + ["lm_head"]
        let adapters = try configuration.adapters(
            projections: projections, others: others, usual: model.usualTargets, stored: stored)
        let layout = ParameterLayout(model.adapted(by: adapters).parameters.filter(contains))
        let used = Set(layout.parameters.map { savedPrefix + stored($0.name) })
        let unexpected = archive.names.filter { !used.contains($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        // All shapes are compared before anything is allocated.
        let tensors = try layout.parameters.map { try archive.tensor(savedPrefix + stored($0.name), shape: $0.shape) }
        let store = ParameterStore<Float>(layout)
        for (parameter, tensor) in zip(layout.parameters, tensors) { try tensor.copy(into: store[parameter.name]) }
        return (adapters, store)
    }

    /// Saves a PEFT directory.
    ///
    /// - Parameters:
    ///   - store: holds the adapters' parameters; others are ignored.
    ///   - model: the model that they adapt.
    ///   - directory: its path; it is created if needed.
    ///   - base: the model's directory or hub name.
    /// - Throws: `SafetensorsError`.
    public func save(_ store: ParameterStore<Float>, of model: some Trunk, to directory: String, base: String) throws {
        try makeDirectory(directory)
        let tensors = store.layout.parameters.filter(Self.contains).map {
            TensorContent(
                name: Self.savedName(of: $0.name, in: model), shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/\(Self.file)")
        try replaceFile(at: "\(directory)/\(Self.configurationFile)", with: configurationText(of: model, base: base))
    }

    /// The file of the adapters' tensors in PEFT's format, and the one of their configuration.
    public static let file = "adapter_model.safetensors", configurationFile = "adapter_config.json"

    /// The name that PEFT gives to an adapter's parameter.
    public static func savedName(of parameter: String, in model: any Trunk) -> String { savedPrefix + model.savedName(of: parameter) }

    /// The text of `adapter_config.json`.
    /// - Parameters:
    ///   - model: the model that they adapt.
    ///   - base: its directory or hub name.
    public func configurationText(of model: any Trunk, base: String) -> String {
        json(base: base, inputsFirst: model.storesInputsFirst).text(indent: 2) + "\n"
    }

    private static let savedPrefix = "base_model.model."

    private func json(base: String, inputsFirst: Bool) -> JSON {
        .object([
            "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "base_model_name_or_path": .string(base), "r": .integer(rank),
            "lora_alpha": .number(alpha), "target_modules": .array(projections.map(JSON.string)), "fan_in_fan_out": .bool(inputsFirst),
            "bias": .string("none"), "lora_dropout": .number(0), "inference_mode": .bool(true), "use_rslora": .bool(isRankStabilized),
            "rank_pattern": .object(ranks.mapValues(JSON.integer)), "alpha_pattern": .object(alphas.mapValues(JSON.number)),
        ])
    }
}
