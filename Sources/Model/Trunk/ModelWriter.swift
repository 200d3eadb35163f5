import Files
import Foundation
import GGUF
import Layers
import Safetensors
import StrictJSON
import Tensors
import Tokenization

/// The format of a model's files.
public enum ModelFormat: Sendable, Equatable {
    /// A Hugging Face directory: `config.json`, `model.safetensors` in float32, and the tokenizer's files.
    case safetensors
    /// A GGUF file, with its matrices in half precision or in 8 bits.
    case gguf(GGUFPrecision)
}

/// The storage format of the matrices of a GGUF file that is written; vectors and positions are float32.
public enum GGUFPrecision: String, Sendable, CaseIterable {
    case float16 = "f16"
    /// Blocks of 32 numbers; matrices whose rows are not whole blocks are float16.
    case q8_0 = "q8_0"

    /// `general.file_type`
    fileprivate var fileType: Int {
        switch self {
        case .float16: 1
        case .q8_0: 7
        }
    }

    fileprivate func type(of place: GGUFPlace) -> GGUFType {
        if place.isExact { return .float32 }
        return self == .q8_0 && (place.shape.last ?? 1).isMultiple(of: GGUFType.q8_0.blockCount) ? .q8_0 : .float16
    }
}

/// Writes a model whose parameters are asked for one after the other.
struct ModelWriter {
    let trunk: any Trunk
    /// The directory or GGUF file that the model was opened from.
    let origin: String?
    let progress: (Int) -> Void
    /// Writes the numbers of a parameter.
    let read: (Parameter, UnsafeMutableBufferPointer<Float>) throws -> Void
    /// Matrices that a GGUF file takes as they are, by the names of their parameters.
    var matrices: [String: CompressedMatrix] = [:]

    init(
        trunk: any Trunk, origin: String?, progress: @escaping (Int) -> Void = { _ in },
        read: @escaping (Parameter, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) {
        self.trunk = trunk
        self.origin = origin
        self.progress = progress
        self.read = read
    }

    func write(to path: String, as format: ModelFormat) throws {
        switch format {
        case .safetensors: try writeDirectory(path)
        case .gguf(let precision): try writeGGUF(path, precision, fileType: precision.fileType)
        }
    }

    // MARK: Hugging Face directories

    /// The members of `config.json`, and the files of the tokenizer of a GGUF file.
    func description() throws -> (members: [String: JSON], files: [String: String]) {
        var members: [String: JSON] = [:], files: [String: String] = [:]
        let kind = origin.flatMap { FileKind(of: $0) }
        if let origin, kind == .directory { members = try JSON(file: "\(origin)/config.json").object ?? [:] }
        if let origin, kind == .regular {
            let tokenizer = try TokenizerLists(GGUFFile(mapping: origin))
            files = tokenizer.files(positions: trunk.positions)
            let roles = Dictionary(uniqueKeysWithValues: tokenizer.roles.map { ("\($0.key.rawValue)_id", JSON.integer($0.value)) })
            members = roles
            files["generation_config.json"] = JSON.object(roles).text(indent: 2) + "\n"
        }
        members.merge(trunk.configurationMembers) { _, new in new }
        return (members, files)
    }

    private func writeDirectory(_ directory: String) throws {
        let (members, files) = try description(), kind = origin.flatMap { FileKind(of: $0) }
        try makeDirectory(directory)
        try TensorArchive.write(tensors, metadata: ["format": "pt"], to: "\(directory)/model.safetensors")
        if let origin, kind == .directory {
            for name in companions { try copyFile("\(origin)/\(name)", to: "\(directory)/\(name)") }
        }
        for (name, text) in files { try replaceFile(at: "\(directory)/\(name)", with: text) }
        try replaceFile(at: "\(directory)/config.json", with: JSON.object(members).text(indent: 2) + "\n")
    }

    private var tensors: [TensorContent] {
        trunk.parameters.filter { trunk.role(of: $0) != .adapter }.map { parameter in
            TensorContent(name: trunk.savedName(of: parameter.name), shape: parameter.shape) { numbers in
                try read(parameter, numbers)
                progress(numbers.count)
            }
        }
    }

    // MARK: GGUF files

    /// - Parameters:
    ///   - path: the file.
    ///   - precision: the format of matrices that are not among `matrices`.
    ///   - fileType: `general.file_type`.
    func writeGGUF(_ path: String, _ precision: GGUFPrecision, fileType: Int) throws {
        func refuse(_ problem: String) -> GGUFModelError { GGUFModelError(source: path, problem: "cannot be written: \(problem)") }
        guard let trunk = trunk as? any GGUFTrunk else { throw refuse("there is no architecture for this model") }
        let layout = trunk.ggufLayout
        if let refusal = layout.refusal { throw refuse(refusal) }
        guard let origin else { throw refuse("it needs the tokenizer of the model's directory") }
        let (general, tokenizer) = try metadata(of: origin, vocabulary: trunk.vocabularySize)
        let metadata: [GGUFFile.Entry] =
            [
                ("general.architecture", .string(layout.architecture)), ("general.type", .string("model")),
                ("general.file_type", .integer(fileType)), ("general.quantization_version", .integer(2)),
            ] + general + layout.keys.map { ("\(layout.architecture).\($0.key)", $0.value) } + tokenizer
        let constants = layout.constants.map { name, numbers in
            GGUFContent(name, .float32, [numbers.count]) { _ = $0.update(fromContentsOf: numbers) }
        }
        let tensors = layout.places.map { place in
            if let matrix = matrices[place.parameter.name] { return matrix.content(at: place) }
            return GGUFContent(place.name, precision.type(of: place), place.shape) { numbers in
                try read(place.parameter, numbers)
                place.arrange(numbers, isReading: false)
            }
        }
        try GGUFFile.write(metadata, constants + tensors, to: path, progress: progress)
    }

    /// The keys that describe a model and its tokenizer: a GGUF file's own, or made of a directory's files.
    private func metadata(of origin: String, vocabulary: Int) throws -> (general: [GGUFFile.Entry], tokenizer: [GGUFFile.Entry]) {
        func refuse(_ count: Int) -> GGUFModelError {
            GGUFModelError(source: origin, problem: "the tokenizer has \(count) tokens for a model of \(vocabulary)")
        }
        guard FileKind(of: origin) == .regular else {
            let lists = try TokenizerLists(directory: origin).named(in: origin)
            guard lists.words.count <= vocabulary else { throw refuse(lists.words.count) }
            let name = URL(filePath: origin).standardizedFileURL.lastPathComponent
            return ([("general.name", .string(name))], lists.padded(to: vocabulary).ggufKeys)
        }
        let file = try GGUFFile(mapping: origin)
        let words = file.metadata["tokenizer.ggml.tokens"]?.strings?.count ?? 0
        guard words == vocabulary else { throw refuse(words) }
        func entries(_ prefix: String, except own: Set<String> = []) -> [GGUFFile.Entry] {
            file.metadata.filter { $0.key.hasPrefix(prefix) && !own.contains($0.key) }.sorted { $0.key < $1.key }
        }
        let own = ["architecture", "type", "file_type", "quantization_version", "alignment"].map { "general.\($0)" }
        return (entries("general.", except: Set(own)), entries("tokenizer."))
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
