import Files
import Layers
import Safetensors
import StrictJSON
import Tensors

extension GPT2 {
    /// Opens a Hugging Face directory: `config.json` and `model.safetensors`, in one file or in shards, of any floating-point
    /// type, with the prefix `transformer.` or without, with a tied or a separate head.
    ///
    /// As in transformers 5, a tied table may have the name of the embedding or of the head, and a head that differs from the table
    /// is separate whatever `config.json` says.
    ///
    /// - Parameters:
    ///   - directory: its path.
    ///   - adapters: low-rank adapters to add to the model; their parameters are zero.
    /// - Throws: `CheckpointError` or `SafetensorsError`, with the tensors that are missing, unexpected, of another shape or not finite.
    public static func open(directory: String, adapters: Adapters? = nil) throws -> (model: GPT2, parameters: ParameterStore<Float>) {
        let (plain, archive) = try describe(directory: directory)
        let model = plain.adapted(by: adapters)
        return (model, try model.parameters(in: archive))
    }

    /// The model of a directory, and the archive with its weights.
    private static func describe(directory: String) throws -> (GPT2, TensorArchive) {
        let file = "\(directory)/config.json"
        var configuration = try GPT2Configuration(json: file)
        let archive = try TensorArchive(directory: directory)
        guard configuration.layers <= archive.tensors.count / GPT2Configuration.tensorsPerBlock else {
            throw CheckpointError.configuration(
                file: file, key: "n_layer",
                "is \(configuration.layers), but \(archive.source) holds only \(archive.tensors.count) tensors, too few for so many layers")
        }
        if configuration.isTied, let table = archive.table, let head = archive.head {
            configuration.isTied = try table.floats() == head.floats()
        }
        return (GPT2(configuration), archive)
    }

    /// A store with the values of an archive's tensors.
    /// - Throws: as `open(directory:)`.
    public func parameters(in archive: TensorArchive) throws -> ParameterStore<Float> {
        let store = ParameterStore<Float>(layout)
        for (name, tensor) in try tensors(in: archive) { try tensor.copy(into: store[name]) }
        return store
    }

    /// The tensors of an archive by the names of this model's parameters, without adapters; all shapes are checked.
    private func tensors(in archive: TensorArchive) throws -> [String: StoredTensor] {
        let layout = layout
        var stored: [String: StoredTensor] = [:]
        var unexpected: [String] = []
        for tensor in archive.tensors {
            var name = GPT2.plainName(tensor.name)
            if configuration.isTied, name == "lm_head.weight", archive.table == nil { name = "wte.weight" }
            if let parameter = layout[name] {
                guard tensor.shape == parameter.shape else {
                    throw SafetensorsError(
                        archive.source, .wrongShape(tensor: tensor.name, found: tensor.shape, expected: parameter.shape))
                }
                guard stored.updateValue(tensor, forKey: name) == nil else {
                    throw SafetensorsError(archive.source, .duplicate(tensor: name))
                }
            } else if !isIdle(name) {
                unexpected.append(tensor.name)
            }
        }
        let missing = layout.parameters.filter { !Adapters.contains($0) && stored[$0.name] == nil }.map(\.name)
        guard missing.isEmpty else { throw CheckpointError.missing(tensors: missing, file: archive.source) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        return stored
    }

    /// Opens a directory of this family.
    static let reader = TrunkReader { directory, _ in
        let (model, archive) = try describe(directory: directory)
        return (model, ArchiveWeights(tensors: try model.tensors(in: archive), source: archive.source))
    }

    /// A parameter's name in this project, from its name in a GPT2LMHeadModel or a bare GPT2Model: without the prefix `transformer.`.
    public static func plainName(_ name: String) -> String {
        name.hasPrefix("transformer.") ? String(name.dropFirst("transformer.".count)) : name
    }

    /// A parameter's name in a GPT2LMHeadModel, from its name in this project.
    public static func savedName(_ name: String) -> String { name.hasPrefix("lm_head.") ? name : "transformer." + name }

    /// Whether a tensor is not used: the masks of older checkpoints, or a second copy of a tied table, which `open` has compared.
    private func isIdle(_ name: String) -> Bool {
        let parts = name.split(separator: ".")
        if parts.count == 4, parts[0] == "h", parts[2] == "attn" { return parts[3] == "bias" || parts[3] == "masked_bias" }
        return configuration.isTied && name == "lm_head.weight"
    }
}

extension TensorArchive {
    /// The tables of the embedding and of the head, under either name.
    fileprivate var table: StoredTensor? { self["transformer.wte.weight"] ?? self["wte.weight"] }
    fileprivate var head: StoredTensor? { self["lm_head.weight"] ?? self["transformer.lm_head.weight"] }
}
