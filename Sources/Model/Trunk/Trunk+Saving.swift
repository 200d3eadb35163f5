import Layers
import Safetensors
import StrictJSON
import Tensors

extension Trunk {
    /// Saves a model's parameters, without adapters.
    ///
    /// - Parameters:
    ///   - parameters: the model's parameters.
    ///   - path: a directory that Hugging Face's transformers can open, which is created if needed, or a GGUF file.
    ///   - format: which of both.
    ///   - origin: the directory or the GGUF file that the model was opened from: its tokenizer and the other keys of its `config.json`
    ///     or metadata are copied. A GGUF file needs one.
    /// - Throws: `SafetensorsError`, `CheckpointError`, `GGUFError`, `GGUFModelError` or `TokenizationError`.
    public func save(
        _ parameters: ParameterStore<Float>, to path: String, as format: ModelFormat = .safetensors, origin: String? = nil
    ) throws {
        let writer = ModelWriter(trunk: self, origin: origin) { parameter, numbers in
            _ = numbers.update(fromContentsOf: parameters[parameter.name])
        }
        try writer.write(to: path, as: format)
    }
}

extension TrunkFiles {
    /// The members of the model's `config.json` in Hugging Face's format.
    public var configurationMembers: [String: JSON] {
        get throws { try ModelWriter(trunk: trunk, origin: path) { _, _ in }.description().members }
    }

    /// Writes the model in another format, with one tensor at a time in memory.
    ///
    /// - Parameters:
    ///   - path: a directory, which is created if needed, or a GGUF file; not this model's own path.
    ///   - format: which of both.
    ///   - progress: called after every tensor, with its number of elements.
    /// - Throws: as `Trunk.save`.
    public func save(to path: String, as format: ModelFormat, progress: @escaping (Int) -> Void = { _ in }) throws {
        let weights = weights
        let writer = ModelWriter(trunk: trunk, origin: self.path, progress: progress) { parameter, numbers in
            try weights.copy(parameter, into: numbers)
        }
        try writer.write(to: path, as: format)
    }
}
