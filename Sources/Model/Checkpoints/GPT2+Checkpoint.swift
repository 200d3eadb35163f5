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
        let model = GPT2(configuration, adapters: adapters)
        return (model, try model.parameters(in: archive))
    }

    /// A store with the values of an archive's tensors.
    /// - Throws: as `open(directory:)`.
    public func parameters(in archive: TensorArchive) throws -> ParameterStore<Float> {
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
        let store = ParameterStore<Float>(layout)
        for (name, tensor) in stored { try tensor.copy(into: store[name]) }
        return store
    }

    /// Saves a directory that Hugging Face's transformers can open.
    ///
    /// - Parameters:
    ///   - parameters: the model's parameters.
    ///   - directory: its path; it is created if needed.
    ///   - origin: the directory that the model was opened from; its tokenizer files and the other keys of its `config.json` are copied.
    /// - Throws: `SafetensorsError` or `CheckpointError`.
    public func save(_ parameters: ParameterStore<Float>, to directory: String, origin: String? = nil) throws {
        try makeDirectory(directory)
        var members: [String: JSON] = [:]
        if let origin {
            members = try JSON(file: "\(origin)/config.json").object ?? [:]
            for name in GPT2.companions { try copyFile("\(origin)/\(name)", to: "\(directory)/\(name)") }
        }
        members.merge(configuration.json) { _, new in new }
        let tensors = layout.parameters.map { parameter in
            TensorContent(
                name: GPT2.savedName(parameter.name), shape: parameter.shape, values: UnsafeBufferPointer(parameters[parameter.name]))
        }
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/model.safetensors")
        try replaceFile(at: "\(directory)/config.json", with: JSON.object(members).text(indent: 2) + "\n")
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

    /// Files that are copied with a model's weights.
    private static let companions = [
        "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "generation_config.json",
    ]
}

extension TensorArchive {
    /// The tables of the embedding and of the head, under either name.
    fileprivate var table: StoredTensor? { self["transformer.wte.weight"] ?? self["wte.weight"] }
    fileprivate var head: StoredTensor? { self["lm_head.weight"] ?? self["transformer.lm_head.weight"] }
}

/// Creates a directory unless it exists.
func makeDirectory(_ path: String) throws(SafetensorsError) {
    do { try makeDirectory(at: path) } catch { throw SafetensorsError(path, .cannotWrite("it cannot be created: \(error.cause)")) }
}

/// The maximal size in bytes of a file that is copied with a model.
private let companionLimit = 1 << 28

private func copyFile(_ source: String, to destination: String) throws {
    guard FileKind(of: source) != nil, source != destination else { return }
    let contents: [UInt8]
    do { contents = try readFile(source, atMost: companionLimit) } catch { throw CheckpointError.unreadable(file: source, error.cause) }
    try replaceFile(at: destination) { append in try contents.withUnsafeBytes(append) }
}
