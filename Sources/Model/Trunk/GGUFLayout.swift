import Foundation
import GGUF
import Tensors

/// The architectures of GGUF files, by `general.architecture`. A new one is one file and one line here.
let ggufArchitectures: KeyValuePairs<String, GGUFArchitecture> = [
    "gpt2": GPT2.ggufArchitecture, "llama": Llama.ggufArchitecture(.llama), "qwen2": Llama.ggufArchitecture(.qwen2),
]

/// Reads the shape of models of one architecture.
struct GGUFArchitecture: Sendable {
    let open: @Sendable (_ keys: GGUFKeys) throws -> any GGUFTrunk
}

/// A trunk that GGUF files have an architecture for.
protocol GGUFTrunk: Trunk {
    var ggufLayout: GGUFLayout { get }
}

/// How a trunk lies in GGUF files, as llama.cpp reads them.
struct GGUFLayout {
    /// `general.architecture`, the prefix of the model's keys.
    let architecture: String
    /// The model's keys without that prefix.
    var keys: [GGUFFile.Entry]
    /// The place of every parameter.
    var places: [GGUFPlace]
    /// Other tensors, which follow from the configuration: their names and numbers.
    var constants: [(name: String, numbers: [Float])] = []
    /// Names of tensors that a file may have and that are not read.
    var idle: Set<String> = []
    /// Why llama.cpp would compute something else; nil if the model can be written.
    var refusal: String?
}

/// The place of a parameter in a GGUF file.
struct GGUFPlace: Sendable {
    let parameter: Parameter
    /// The tensor's name.
    let name: String
    let arrangement: Arrangement
    /// Whether it is written as float32 whatever the file's type.
    let isExact: Bool

    /// How the tensor's rows differ from the parameter's.
    enum Arrangement: Equatable, Sendable {
        case same
        /// The two halves of every head's rows alternate: row i + j · D/2 of a head is row 2i + j there.
        case interleaved(heads: Int)
        /// Outputs are rows.
        case transposed
    }

    init(_ parameter: Parameter, _ name: String, _ arrangement: Arrangement = .same, isExact: Bool = false) {
        self.parameter = parameter
        self.name = name
        self.arrangement = arrangement
        self.isExact = isExact || parameter.shape.count == 1
    }

    /// The tensor's shape.
    var shape: [Int] { arrangement == .transposed ? parameter.shape.reversed() : parameter.shape }

    /// For every row of the parameter, its row in the file; nil if the order is the same.
    var order: [Int32]? {
        guard case .interleaved(let heads) = arrangement else { return nil }
        let rows = parameter.shape[0], D = rows / heads, half = D / 2
        return (0..<rows).map { row in
            let (head, place) = row.quotientAndRemainder(dividingBy: D)
            return Int32(head * D + 2 * (place % half) + place / half)
        }
    }

    /// Brings a parameter's numbers into the tensor's order, or back.
    func arrange(_ numbers: UnsafeMutableBufferPointer<Float>, isReading: Bool) {
        switch arrangement {
        case .same: return
        case .transposed:
            let given = Array(numbers), (rows, columns) = (parameter.shape[0], parameter.shape[1])
            for row in 0..<rows {
                for column in 0..<columns {
                    let (own, stored) = (row * columns + column, column * rows + row)
                    if isReading { numbers[own] = given[stored] } else { numbers[stored] = given[own] }
                }
            }
        case .interleaved:
            let given = Array(numbers), order = order ?? [], columns = numbers.count / max(1, order.count)
            for (row, place) in order.enumerated() {
                let (own, stored) = (row * columns, Int(place) * columns)
                for column in 0..<columns {
                    if isReading { numbers[own + column] = given[stored + column] } else { numbers[stored + column] = given[own + column] }
                }
            }
        }
    }
}

/// The weights of a GGUF file, in any storage format.
struct GGUFWeights: StoredWeights {
    private let tensors: [String: (tensor: GGUFTensor, place: GGUFPlace)]

    /// - Throws: `GGUFError`, if a tensor is missing, or of another shape; `CheckpointError`, if the model does not know one.
    init(_ file: GGUFFile, _ layout: GGUFLayout) throws {
        var tensors: [String: (tensor: GGUFTensor, place: GGUFPlace)] = [:]
        for place in layout.places { tensors[place.parameter.name] = (try file.tensor(place.name, shape: place.shape), place) }
        let known = Set(layout.places.map(\.name)).union(layout.idle)
        let unexpected = file.tensors.map(\.name).filter { !known.contains($0) }
        guard unexpected.isEmpty else { throw CheckpointError.unexpected(tensors: unexpected, file: file.source) }
        self.tensors = tensors
    }

    func copy(_ parameter: Parameter, into numbers: UnsafeMutableBufferPointer<Float>) throws {
        guard let (tensor, place) = tensors[parameter.name] else { preconditionFailure("\(parameter.name) is not of this model") }
        try tensor.copy(into: numbers)
        place.arrange(numbers, isReading: true)
    }

    func matrix(_ parameter: Parameter) throws -> (any FrozenMatrix)? {
        guard let (tensor, place) = tensors[parameter.name], tensor.type != .float32 else { return nil }
        try tensor.checkFinite()
        return GGUFMatrix(tensor, order: place.order)
    }
}

/// The keys of a GGUF file's model, read by name and type; an error names the key.
struct GGUFKeys {
    let file: GGUFFile
    let architecture: String

    /// - Throws: `GGUFModelError`, if the file names no architecture.
    init(_ file: GGUFFile) throws(GGUFModelError) {
        guard let architecture = file.metadata["general.architecture"]?.string else {
            throw GGUFModelError(source: file.source, problem: "general.architecture is missing")
        }
        self.file = file
        self.architecture = architecture
    }

    func refuse(_ problem: String) -> GGUFModelError { GGUFModelError(source: file.source, problem: problem) }

    /// A value; nil if the key is absent.
    private func value<T>(_ key: String, _ what: String, _ read: (GGUFValue) -> T?) throws(GGUFModelError) -> T? {
        guard let value = file.metadata["\(architecture).\(key)"] else { return nil }
        guard let read = read(value) else { throw refuse("\(architecture).\(key) is not \(what)") }
        return read
    }

    func integer(_ key: String) throws(GGUFModelError) -> Int? { try value(key, "an integer", \.integer) }

    func string(_ key: String) throws(GGUFModelError) -> String? { try value(key, "a text", \.string) }

    /// A number; of those that round to it in single precision, which files have, the one with the fewest digits.
    func number(_ key: String) throws(GGUFModelError) -> Double? {
        try value(key, "a number", \.double).map { Double("\(Float($0))") ?? $0 }
    }

    /// - Throws: `GGUFModelError`, if the key is absent.
    func wanted(_ key: String) throws(GGUFModelError) -> Int {
        guard let value = try integer(key) else { throw refuse("\(architecture).\(key) is missing") }
        return value
    }

    /// The number of rows of the table of tokens.
    func vocabularySize() throws(GGUFModelError) -> Int {
        guard let table = file["token_embd.weight"], table.shape.count == 2 else { throw refuse("there is no table token_embd.weight") }
        return table.shape[0]
    }

    /// The number of blocks, each of which has so many tensors in the file.
    func blocks(ofTensors count: Int) throws(GGUFModelError) -> Int {
        let blocks = try wanted("block_count")
        guard blocks <= file.tensors.count / count else {
            throw refuse(
                "\(architecture).block_count is \(blocks), but there are only \(file.tensors.count) tensors, too few for so many blocks")
        }
        return blocks
    }

    /// Whether the head uses the embedding's table: if there is no other, or a copy of it.
    var isTied: Bool {
        guard let head = file["output.weight"] else { return true }
        guard let table = file["token_embd.weight"], head.type == table.type, head.shape == table.shape else { return false }
        return head.withUnsafeBytes { head in
            table.withUnsafeBytes { table in
                guard let a = head.baseAddress, let b = table.baseAddress else { return true }
                return memcmp(a, b, head.count) == 0
            }
        }
    }
}
