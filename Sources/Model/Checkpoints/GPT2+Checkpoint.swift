import Files
import Layers
import Safetensors
import StrictJSON
import Tensors

extension GPT2 {
    /// Opens a Hugging Face directory: `config.json` and `model.safetensors`, in one file or in shards, of any floating
    /// type, with the prefix `transformer.` or without, with a tied or a separate head. As in transformers 5, a table that serves as
    /// head too may stand under either name, and a head that differs from the table stays separate whatever `config.json` says.
    /// Throws `CheckpointError` or `SafetensorsError`; names whatever is missing, unexpected, of another shape or not finite.
    /// Adapters, if any are wanted beside, are zero.
    public static func open(directory: String, adapters: Adapters? = nil) throws -> (model: GPT2, parameters: ParameterStore<Float>) {
        let file = "\(directory)/config.json"
        var configuration = try GPT2Configuration(json: file)
        let archive = try TensorArchive(directory: directory)
        guard configuration.layers <= archive.tensors.count / GPT2Configuration.tensorsPerBlock else {
            throw CheckpointError.configuration(
                file: file, key: "n_layer",
                "is \(configuration.layers), but \(archive.source) holds \(archive.tensors.count) tensors, which are fewer than that takes")
        }
        if configuration.isTied, let table = archive.table, let head = archive.head {
            configuration.isTied = try table.floats() == head.floats()
        }
        let model = GPT2(configuration, adapters: adapters)
        return (model, try model.parameters(in: archive))
    }

    /// A store filled from an archive's tensors. Throws as `open(directory:)` does.
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

    /// Saves a directory that transformers opens unchanged. With `origin`, the directory the model came from, the
    /// tokenizer's files and what else its `config.json` said go along. Throws `SafetensorsError` or `CheckpointError`.
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

    /// Names of a GPT2LMHeadModel and of a bare GPT2Model become one.
    public static func plainName(_ name: String) -> String {
        name.hasPrefix("transformer.") ? String(name.dropFirst("transformer.".count)) : name
    }

    /// The name in a GPT2LMHeadModel.
    public static func savedName(_ name: String) -> String { name.hasPrefix("lm_head.") ? name : "transformer." + name }

    /// Whether a tensor plays no part: the masks that older checkpoints keep, or the table of a tied head once more, which `open` has compared.
    private func isIdle(_ name: String) -> Bool {
        let parts = name.split(separator: ".")
        if parts.count == 4, parts[0] == "h", parts[2] == "attn" { return parts[3] == "bias" || parts[3] == "masked_bias" }
        return configuration.isTied && name == "lm_head.weight"
    }

    /// What stands beside a model's weights.
    private static let companions = [
        "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "generation_config.json",
    ]
}

extension TensorArchive {
    /// The embedding's table and the head's, under either name.
    fileprivate var table: StoredTensor? { self["transformer.wte.weight"] ?? self["wte.weight"] }
    fileprivate var head: StoredTensor? { self["lm_head.weight"] ?? self["transformer.lm_head.weight"] }
}

/// Makes a directory unless it is there.
func makeDirectory(_ path: String) throws(SafetensorsError) {
    do { try makeDirectory(at: path) } catch { throw SafetensorsError(path, .cannotWrite("it cannot be made: \(error.cause)")) }
}

/// The most bytes of a file that goes along with a model.
private let companionLimit = 1 << 28

private func copyFile(_ source: String, to destination: String) throws {
    guard FileKind(of: source) != nil, source != destination else { return }
    let contents: [UInt8]
    do { contents = try readFile(source, atMost: companionLimit) } catch { throw CheckpointError.unreadable(file: source, error.cause) }
    try replaceFile(at: destination) { append in try contents.withUnsafeBytes(append) }
}
