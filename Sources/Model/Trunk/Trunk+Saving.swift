import Files
import Layers
import Safetensors
import StrictJSON
import Tensors

extension Trunk {
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
        if let origin, FileKind(of: origin) == .directory {
            members = try JSON(file: "\(origin)/config.json").object ?? [:]
            for name in companions { try copyFile("\(origin)/\(name)", to: "\(directory)/\(name)") }
        }
        members.merge(configurationMembers) { _, new in new }
        let tensors = parameters.layout.parameters.filter { role(of: $0) != .adapter }.map { parameter in
            TensorContent(
                name: savedName(of: parameter.name), shape: parameter.shape, values: UnsafeBufferPointer(parameters[parameter.name]))
        }
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/model.safetensors")
        try replaceFile(at: "\(directory)/config.json", with: JSON.object(members).text(indent: 2) + "\n")
    }
}

/// Files that are copied with a model's weights.
private let companions = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "generation_config.json", "chat_template.jinja",
]

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
