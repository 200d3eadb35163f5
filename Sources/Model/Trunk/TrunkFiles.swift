import Files
import GGUF
import Layers
import Safetensors
import StrictJSON
import Tensors

/// The families of trunks, by `model_type` of Hugging Face's `config.json`. A new family is one file and one line here.
let trunkFamilies: KeyValuePairs<String, TrunkReader> = [
    "gpt2": GPT2.reader, "llama": Llama.reader(.llama), "mistral": Llama.reader(.mistral), "qwen2": Llama.reader(.qwen2),
]

/// Opens a directory of one family.
struct TrunkReader: Sendable {
    let open: @Sendable (_ directory: String, _ configuration: JSON) throws -> (any Trunk, any StoredWeights)
}

/// The stored weights of a trunk, by the names of its parameters.
protocol StoredWeights: Sendable {
    /// Reads a parameter.
    /// - Throws: an error that names the tensor, if it is missing, of another shape, or not finite.
    func copy(_ parameter: Parameter, into numbers: UnsafeMutableBufferPointer<Float>) throws
    /// The matrix as it is stored, outputs first; nil if it is stored as single numbers.
    /// - Throws: as `copy`.
    func matrix(_ parameter: Parameter) throws -> (any FrozenMatrix)?
}

/// The weights of a Hugging Face directory.
struct ArchiveWeights: StoredWeights {
    let tensors: [String: StoredTensor]
    let source: String

    func copy(_ parameter: Parameter, into numbers: UnsafeMutableBufferPointer<Float>) throws {
        guard let tensor = tensors[parameter.name] else { throw CheckpointError.missing(tensors: [parameter.name], file: source) }
        try tensor.copy(into: numbers)
    }

    func matrix(_ parameter: Parameter) -> (any FrozenMatrix)? { nil }
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

/// The files of a trunk, opened and checked: the weights are read when a model is made of them.
public struct TrunkFiles: Sendable {
    /// The path of the directory or of the GGUF file.
    public let path: String
    /// The model without adapters.
    public let trunk: any Trunk
    /// Whether it is a GGUF file, whose matrices may stay as they are stored.
    public let isGGUF: Bool
    let weights: any StoredWeights

    /// Opens a GGUF file or a Hugging Face directory of any known family: `config.json` and `model.safetensors`, in one file or in
    /// shards, of any floating-point type.
    /// - Throws: `FileError`, `CheckpointError` or `SafetensorsError`; `GGUFError` or `GGUFModelError` for a file.
    public init(path: String) throws {
        self.path = path
        guard let kind = FileKind(of: path) else { throw FileError(path, .cannotOpen("there is no such file or directory")) }
        isGGUF = kind == .regular
        guard isGGUF else {
            let file = "\(path)/config.json"
            let json = try JSON(file: file)
            let kind = json["model_type"]?.string ?? "gpt2"
            guard let family = trunkFamilies.first(where: { $0.key == kind })?.value else {
                throw CheckpointError.configuration(
                    file: file, key: "model_type", "is \(kind); known are \(trunkFamilies.map(\.key).joined(separator: ", "))")
            }
            (trunk, weights) = try family.open(path, json)
            return
        }
        let file = try GGUFFile(mapping: path), keys = try GGUFKeys(file)
        guard let architecture = ggufArchitectures.first(where: { $0.key == keys.architecture })?.value else {
            throw keys.refuse(
                "general.architecture is \(keys.architecture); known are \(ggufArchitectures.map(\.key).joined(separator: ", "))")
        }
        let model = try architecture.open(keys)
        (trunk, weights) = (model, try GGUFWeights(file, model.ggufLayout))
    }

    /// Matrices that can stay as they are stored while the rest of the model learns: projections and tables.
    ///
    /// - Parameters:
    ///   - storage: how they lie in memory.
    ///   - learning: parameters that learn, which are always float32.
    /// - Returns: the matrices, by the names of their parameters.
    /// - Throws: as `model`.
    public func frozen(_ storage: WeightStorage, learning: (Parameter) -> Bool = { _ in false }) throws -> [String: any FrozenMatrix] {
        guard storage != .float32 else { return [:] }
        var frozen: [String: any FrozenMatrix] = [:]
        for parameter in trunk.parameters where parameter.shape.count == 2 && !learning(parameter) {
            if storage == .stored {
                frozen[parameter.name] = try weights.matrix(parameter)
            } else {
                var isTransposed = false
                if case .projection = trunk.role(of: parameter) { isTransposed = trunk.storesInputsFirst }
                let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.count)
                defer { numbers.deallocate() }
                try weights.copy(parameter, into: numbers)
                frozen[parameter.name] = EightBitMatrix(numbers, shape: parameter.shape, transposed: isTransposed)
            }
        }
        return frozen
    }

    /// Reads the weights.
    ///
    /// - Parameters:
    ///   - frozen: matrices that do not learn, as `frozen(_:learning:)` returns them; the other weights are float32.
    ///   - adapters: low-rank adapters to add to the model; their parameters are zero.
    /// - Throws: `CheckpointError`, `SafetensorsError` or `GGUFError`: tensors that are missing, of another shape or not finite.
    public func model(frozen: [String: any FrozenMatrix] = [:], adapters: Adapters? = nil) throws -> TrunkModel {
        let trunk = trunk.adapted(by: adapters)
        let store = ParameterStore<Float>(ParameterLayout(trunk.parameters, frozen: frozen))
        for parameter in store.layout.parameters where !Adapters.contains(parameter) {
            try weights.copy(parameter, into: store[parameter.name])
        }
        return TrunkModel(trunk: trunk, parameters: store)
    }
}

/// A trunk and its weights.
public struct TrunkModel {
    /// The description of the model.
    public let trunk: any Trunk
    /// Its parameters and frozen matrices.
    public let parameters: ParameterStore<Float>
    /// Matrices that do not learn, by the names of the parameters that they take the place of.
    public var frozen: [String: any FrozenMatrix] { parameters.frozen }

    public init(trunk: any Trunk, parameters: ParameterStore<Float>) {
        self.trunk = trunk
        self.parameters = parameters
    }

    /// Opens a GGUF file or a Hugging Face directory.
    /// - Parameter storage: how matrices lie in memory.
    /// - Throws: as `TrunkFiles`.
    public init(path: String, storage: WeightStorage = .float32) throws {
        let files = try TrunkFiles(path: path)
        self = try files.model(frozen: files.frozen(storage))
    }

    /// Opens a Hugging Face directory.
    /// - Throws: as `TrunkFiles`.
    public init(directory: String) throws { try self.init(path: directory) }
}
