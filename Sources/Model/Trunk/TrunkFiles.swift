import Files
import GGUF
import Safetensors
import StrictJSON
import Tensors

/// The families of trunks, by `model_type` of Hugging Face's `config.json`. A new family is one file and one line here.
let trunkFamilies: KeyValuePairs<String, TrunkReader> = [
    "gpt2": .gpt2, "llama": .llama(.llama), "mistral": .llama(.mistral), "qwen2": .llama(.qwen2),
]

/// Opens a directory of one family.
struct TrunkReader: Sendable {
    let open: @Sendable (_ directory: String, _ configuration: JSON) throws -> TrunkModel

    static let gpt2 = TrunkReader { directory, _ in
        let (model, parameters) = try GPT2.open(directory: directory)
        return TrunkModel(trunk: model, parameters: parameters)
    }

    static func llama(_ family: LlamaConfiguration.Family) -> TrunkReader {
        TrunkReader { directory, json in
            let model = Llama(try LlamaConfiguration(json, family: family, file: "\(directory)/config.json"))
            return TrunkModel(trunk: model, parameters: try model.parameters(in: TensorArchive(directory: directory)))
        }
    }
}

/// How the weights of a trunk that do not learn lie in memory.
public enum WeightStorage: String, Sendable, CaseIterable {
    /// Four bytes a number.
    case float32
    /// Matrices as they lie in a GGUF file; single numbers, and those of other files, are float32.
    case stored
    /// Blocks of 32 eight-bit numbers with a scale, whatever the file has; see `EightBitMatrix`.
    case int8
}

/// A trunk and its weights.
public struct TrunkModel {
    /// The description of the model.
    public let trunk: any Trunk
    /// Its parameters, without the frozen matrices.
    public let parameters: ParameterStore<Float>
    /// Matrices that do not learn, by the names of the parameters that they take the place of.
    public let frozen: [String: any FrozenMatrix]

    public init(trunk: any Trunk, parameters: ParameterStore<Float>, frozen: [String: any FrozenMatrix] = [:]) {
        self.trunk = trunk
        self.parameters = parameters
        self.frozen = frozen
    }

    public init(path: String, storage: WeightStorage) throws {
        guard FileKind(of: path) == .regular, storage == .stored else {
            self = try TrunkModel(path: path)
            return
        }
        let file = try GGUFFile(mapping: path)
        let model = Llama(try LlamaConfiguration(file))
        let frozen = try model.frozen(in: file)
        let all = try model.parameters(in: file)
        let store = ParameterStore<Float>(ParameterLayout(model.parameters.filter { frozen[$0.name] == nil }))
        for parameter in store.layout.parameters { _ = store[parameter.name].update(fromContentsOf: all[parameter.name]) }
        self.init(trunk: model, parameters: store, frozen: frozen)
    }

    /// Opens a GGUF file or a Hugging Face directory.
    /// - Throws: as `init(directory:)`; `GGUFError` or `GGUFModelError` for a file.
    public init(path: String) throws {
        guard FileKind(of: path) == .regular else {
            try self.init(directory: path)
            return
        }
        let file = try GGUFFile(mapping: path)
        let model = Llama(try LlamaConfiguration(file))
        self.init(trunk: model, parameters: try model.parameters(in: file))
    }

    /// Opens a Hugging Face directory of any known family: `config.json` and `model.safetensors`, in one file or in shards, of any
    /// floating-point type.
    /// - Throws: `CheckpointError` or `SafetensorsError`, with the tensors that are missing, unexpected, of another shape or not finite.
    public init(directory: String) throws {
        let file = "\(directory)/config.json"
        let json = try JSON(file: file)
        let kind = json["model_type"]?.string ?? "gpt2"
        guard let family = trunkFamilies.first(where: { $0.key == kind })?.value else {
            throw CheckpointError.configuration(
                file: file, key: "model_type", "is \(kind); known are \(trunkFamilies.map(\.key).joined(separator: ", "))")
        }
        self = try family.open(directory, json)
    }
}

extension Llama {
    /// A store with the values of an archive's tensors.
    /// - Throws: `CheckpointError` or `SafetensorsError`.
    func parameters(in archive: TensorArchive) throws -> ParameterStore<Float> {
        let layout = layout
        let known = Set(layout.parameters.map(\.name))
        let missing = layout.parameters.filter { archive[$0.name] == nil }.map(\.name)
        guard missing.isEmpty else { throw CheckpointError.missing(tensors: missing, file: archive.source) }
        let unexpected = archive.names.filter { !known.contains($0) && !isIdle($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: archive.source) }
        for parameter in layout.parameters { _ = try archive.tensor(parameter.name, shape: parameter.shape) }
        let store = ParameterStore<Float>(layout)
        for parameter in layout.parameters { try archive.tensor(parameter.name).copy(into: store[parameter.name]) }
        return store
    }

    /// Whether a tensor is not used: the rotary frequencies of older checkpoints.
    private func isIdle(_ name: String) -> Bool { name.hasSuffix(".rotary_emb.inv_freq") }
}
