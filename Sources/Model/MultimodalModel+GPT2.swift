import Statistics
import Tensors

/// Initialises the language trunk with a pretrained GPT-2 from Hugging Face.
extension MultimodalConfiguration {
    /// Why a GPT-2 of a given shape cannot be the trunk, nil if it can.
    public func problem(with gpt2: GPT2Configuration) -> SettingsError? {
        for (key, ours, name, theirs) in [
            ("width", width, "n_embd", gpt2.width), ("layers", layers, "n_layer", gpt2.layers), ("heads", heads, "n_head", gpt2.heads),
            ("text.vocabulary", text.vocabulary, "vocab_size", gpt2.vocabularySize),
        ] where ours != theirs {
            return SettingsError(key, "is \(ours), but the GPT-2's \(name) is \(theirs)")
        }
        if text.length > gpt2.positions {
            return SettingsError("text.length", "is \(text.length), but the GPT-2 has \(gpt2.positions) positions")
        }
        var plain = ownTrunk
        plain.positions = gpt2.positions
        plain.deviation = gpt2.deviation
        if gpt2.hidden == 4 * gpt2.width { plain.hidden = gpt2.hidden }
        return plain == gpt2 ? nil : SettingsError("gpt2", "has another activation, norm, inner width or head than GPT-2's own")
    }
}

extension MultimodalModel {
    /// Copies the parameters of a Hugging Face GPT-2 into the trunk's; of the position embeddings, as many as a moment's text has.
    ///
    /// - Parameters:
    ///   - directory: the GPT-2's directory.
    ///   - store: holds this model's parameters.
    /// - Throws: `CheckpointError` or `SafetensorsError`, if the directory cannot be opened; `SettingsError`, if the shapes differ.
    public func loadTrunk(from directory: String, into store: ParameterStore<Float>) throws {
        let (gpt2, parameters) = try GPT2.open(directory: directory)
        if let problem = configuration.problem(with: gpt2.configuration) { throw problem }
        for parameter in trunk.parameters {
            _ = store[parameter.name].update(fromContentsOf: parameters[parameter.name].prefix(parameter.count))
        }
    }
}
