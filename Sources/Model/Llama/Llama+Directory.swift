import Layers
import Safetensors
import StrictJSON
import Tensors

extension Llama {
    /// Opens a Hugging Face directory of a family: `config.json` and `model.safetensors`, in one file or in shards.
    static func reader(_ family: LlamaConfiguration.Family) -> TrunkReader {
        TrunkReader { directory, json in
            let file = "\(directory)/config.json", configuration = try LlamaConfiguration(json, family: family, file: file)
            let archive = try TensorArchive(directory: directory)
            guard configuration.layers <= archive.tensors.count / LlamaConfiguration.tensorsPerBlock else {
                throw CheckpointError.configuration(
                    file: file, key: "num_hidden_layers",
                    "is \(configuration.layers), but \(archive.source) holds only \(archive.tensors.count) tensors, too few for so many"
                )
            }
            let model = Llama(configuration)
            return (model, ArchiveWeights(tensors: try model.tensors(in: archive), source: archive.source))
        }
    }

    /// The tensors of an archive by the names of this model's parameters; all shapes are checked.
    /// - Throws: `CheckpointError` or `SafetensorsError`.
    private func tensors(in archive: TensorArchive) throws -> [String: StoredTensor] {
        let parameters = parameters
        let known = Set(parameters.map(\.name))
        let missing = parameters.filter { archive[$0.name] == nil }.map(\.name)
        guard missing.isEmpty else { throw CheckpointError.missing(tensors: missing, file: archive.source) }
        let unexpected = archive.names.filter { !known.contains($0) && !isIdle($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        return Dictionary(
            uniqueKeysWithValues: try parameters.map { ($0.name, try archive.tensor($0.name, shape: $0.shape)) })
    }

    /// Whether a tensor is not used: the rotary frequencies of older checkpoints, or a second copy of a tied table.
    private func isIdle(_ name: String) -> Bool {
        name.hasSuffix(".rotary_emb.inv_freq") || configuration.isTied && name == "lm_head.weight"
    }
}
