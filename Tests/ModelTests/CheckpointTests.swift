import Files
import FilesTesting
import Foundation
import Model
import Safetensors
import struct Statistics.RandomSource
import StrictJSON
import Tensors
import Testing

@Suite struct CheckpointTests {
    private let folder = Folder()
    private var directory: String { folder.path }
    let configuration = GPT2Configuration(vocabularySize: 11, positions: 6, width: 8, layers: 2, heads: 2)

    private func saved(_ configuration: GPT2Configuration) throws -> ParameterStore<Float> {
        let model = GPT2(configuration)
        var generator = RandomSource(seed: 11)
        let store = model.initialStore(of: Float.self, using: &generator)
        try model.save(store, to: directory)
        return store
    }

    /// Rewrites the saved tensors under other names, types or numbers.
    private func rewrite(_ change: ([StoredTensor]) throws -> [TensorContent]) throws {
        let path = directory + "/model.safetensors"
        let tensors = try change(TensorArchive(mapping: path).tensors)
        try TensorArchive.write(tensors, to: path)
    }

    @Test(arguments: [true, false])
    func whatIsSavedOpens(isTied: Bool) throws {
        var configuration = configuration
        configuration.isTied = isTied
        configuration.hidden = 12
        configuration.activation = .relu
        configuration.epsilon = 1e-6
        let store = try saved(configuration)
        let (model, opened) = try GPT2.open(directory: directory)
        #expect(model.configuration == configuration)
        #expect(opened.layout == store.layout)
        #expect(opened.values.elementsEqual(store.values))
        let names = try TensorArchive(directory: directory).names
        #expect(names.contains("transformer.h.1.attn.c_attn.weight"))
        #expect(names.contains("lm_head.weight") == !isTied)
    }

    @Test func aBareModelInHalvesWithMasksAndATiedHeadOpens() throws {
        let store = try saved(configuration)
        try rewrite { tensors in
            try tensors.map { tensor in
                let halves = try tensor.floats().map { Float16($0) }
                return TensorContent(name: GPT2.plainName(tensor.name), shape: tensor.shape, halves: halves)
            } + [
                TensorContent(name: "h.0.attn.bias", bytes: [1]), TensorContent(name: "h.1.attn.masked_bias", shape: [], floats: [-1e4]),
                TensorContent(
                    name: "lm_head.weight", shape: [11, 8],
                    floats: try #require(tensors.first { $0.name == "transformer.wte.weight" }).floats().map { Float(Float16($0)) }),
            ]
        }
        let (_, opened) = try GPT2.open(directory: directory)
        #expect(zip(opened.values, store.values).allSatisfy { $0 == Float(Float16($1)) })
    }

    @Test func whatIsMissingUnexpectedMisshapenOrNotFiniteIsNamed() throws {
        _ = try saved(configuration)
        let path = directory + "/model.safetensors"
        let original = try Data(contentsOf: URL(filePath: path))
        func refusal(_ change: @escaping ([StoredTensor]) throws -> [TensorContent]) throws -> String {
            try original.write(to: URL(filePath: path))
            try rewrite(change)
            do {
                _ = try GPT2.open(directory: directory)
                return "opened"
            } catch { return "\(error)" }
        }
        let name = "transformer.ln_f.bias"
        #expect(try refusal { $0.filter { $0.name != name }.map { TensorContent($0) } } == "\(path) lacks ln_f.bias")
        #expect(
            try refusal { $0.map { TensorContent($0) } + [TensorContent(name: "h.9.x", bytes: [])] }
                == "\(path) holds h.9.x, which this model does not have")
        #expect(
            try refusal {
                $0.map {
                    $0.name == name ? TensorContent(name: name, shape: [4, 2], floats: .init(repeating: 0, count: 8)) : TensorContent($0)
                }
            }
                == "\(path): tensor \"\(name)\" has shape [4, 2], expected [8]")
        #expect(
            try refusal {
                $0.map {
                    $0.name == name
                        ? TensorContent(name: name, shape: [8], floats: .init(repeating: .infinity, count: 8)) : TensorContent($0)
                }
            }
                == "\(path): tensor \"\(name)\" is not finite at element 0")
        #expect(
            try refusal {
                $0.map { TensorContent($0) } + [TensorContent(name: "ln_f.bias", shape: [8], floats: .init(repeating: 0, count: 8))]
            }
                == "\(path): tensor \"ln_f.bias\" is given twice")
    }

    @Test(arguments: [
        (#"{"model_type":"llama"}"#, "model_type is llama; only gpt2 is known"),
        (#"{"n_head":5}"#, "n_head 5 heads do not divide a width of 768"),
        (#"{"n_embd":"8"}"#, "n_embd is \"8\"; an integer was expected"), (#"{"n_layer":0}"#, "n_layer is 0; it must be between 1 and"),
        (#"{"n_layer":16000000}"#, "n_layer is 16000000; it must be between 1 and 4096"),
        (#"{"n_embd":16777216,"n_head":1}"#, "that is more than 1099511627776 numbers"),
        (#"{"n_head":12,"num_attention_heads":6}"#, "num_attention_heads is 6, but n_head, which means the same, is 12"),
        (#"{"hidden_size":96,"n_embd":48}"#, "hidden_size is 96, but n_embd, which means the same, is 48"),
        (#"{"max_position_embeddings":9,"n_positions":8}"#, "max_position_embeddings is 9, but n_positions"),
        (#"{"num_hidden_layers":2,"n_layer":3}"#, "num_hidden_layers is 2, but n_layer"),
        (#"{"num_attention_heads":"6"}"#, "an integer was expected"),
        (#"{"quantization_config":{"bits":4}}"#, "quantization_config is present"),
        (#"{"activation_function":"silu"}"#, "activation_function is silu; known are"),
        (#"{"activation_function":"gelu"}"#, "activation_function is gelu; known are gelu_accurate"),
        (#"{"scale_attn_by_inverse_layer_idx":true}"#, "scale_attn_by_inverse_layer_idx is true; only false is known"),
        ("[]", "an object was expected"), ("{", "a string was expected"),
    ])
    func configurationsOfOtherModelsAreRefused(text: String, sentence: String) throws {
        try replaceFile(at: directory + "/config.json", with: text)
        do {
            _ = try GPT2Configuration(json: directory + "/config.json")
            Issue.record("accepted")
        } catch { #expect("\(error)".contains(sentence), "\(error)") }
    }

    @Test func aSizeHasAnyOfItsNames() throws {
        let file = directory + "/config.json"
        try replaceFile(
            at: file,
            with: #"{"hidden_size":96,"num_attention_heads":6,"num_hidden_layers":2,"max_position_embeddings":64,"vocab_size":257}"#)
        #expect(try GPT2Configuration(json: file) == GPT2Configuration(vocabularySize: 257, positions: 64, width: 96, layers: 2, heads: 6))
        try replaceFile(at: file, with: #"{"n_head":6,"num_attention_heads":6,"n_embd":96,"n_ctx":32}"#)
        #expect(try GPT2Configuration(json: file).heads == 6 && GPT2Configuration(json: file).positions == 32)
        try replaceFile(at: file, with: #"{"n_ctx":32,"n_positions":64}"#)
        #expect(try GPT2Configuration(json: file).positions == 64)
    }

    @Test(arguments: ["gelu_new", "gelu_fast", "gelu_python_tanh", "gelu_accurate", "gelu_pytorch_tanh"])
    func theSameApproximationHasSeveralNames(name: String) throws {
        try replaceFile(at: directory + "/config.json", with: #"{"activation_function":"\#(name)"}"#)
        #expect(try GPT2Configuration(json: directory + "/config.json").activation == .gelu)
    }

    @Test(arguments: [true, false])
    func numbersAreCountedBeforeAnythingIsMade(isTied: Bool) {
        var configuration = configuration
        configuration.isTied = isTied
        #expect(configuration.parameterCount == GPT2(configuration).layout.count)
        configuration.hidden = 20
        #expect(configuration.parameterCount == GPT2(configuration).layout.count)
        configuration.layers = .max
        #expect(configuration.parameterCount == .max)
    }

    @Test func moreLayersThanTheFileHoldsAreRefused() throws {
        _ = try saved(configuration)
        var members = try #require(JSON(file: directory + "/config.json").object)
        members["n_layer"] = .integer(4000)
        try replaceFile(at: directory + "/config.json", with: JSON.object(members).text())
        #expect(
            throws: CheckpointError.configuration(
                file: directory + "/config.json", key: "n_layer",
                "is 4000, but \(directory)/model.safetensors holds only 28 tensors, too few for so many layers")
        ) {
            try GPT2.open(directory: directory)
        }
    }

    @Test(arguments: ["transformer.", ""])
    func aTableThatIsHeadTooMayStandUnderEitherName(prefix: String) throws {
        let store = try saved(configuration)
        try rewrite { tensors in
            tensors.map { $0.renamed($0.name == "transformer.wte.weight" ? "lm_head.weight" : prefix + GPT2.plainName($0.name)) }.map {
                TensorContent($0)
            }
        }
        let (model, opened) = try GPT2.open(directory: directory)
        #expect(model.configuration == configuration)
        #expect(opened.values.elementsEqual(store.values))
    }

    @Test func aHeadThatDiffersFromTheTableStaysSeparateWhateverTheConfigurationSays() throws {
        let store = try saved(configuration)
        let head = (0..<88).map { Float($0) }
        try rewrite { $0.map { TensorContent($0) } + [TensorContent(name: "lm_head.weight", shape: [11, 8], floats: head)] }
        let (model, opened) = try GPT2.open(directory: directory)
        #expect(!model.configuration.isTied)
        #expect(opened["lm_head.weight"].elementsEqual(head) && opened["wte.weight"].elementsEqual(store["wte.weight"]))
        try model.save(opened, to: directory + "/next", origin: directory)
        let again = try GPT2.open(directory: directory + "/next").parameters
        #expect(again.values.elementsEqual(opened.values))
        try rewrite {
            $0.filter { $0.name != "lm_head.weight" }.map { TensorContent($0) } + [
                TensorContent(name: "lm_head.weight", shape: [1], floats: [0])
            ]
        }
        #expect(throws: SafetensorsError.self) { try GPT2.open(directory: directory) }
    }

    @Test func whereTextsBeginAndEndIsSaidByTheDirectory() throws {
        func bounds(_ configuration: String, _ generation: String?, endOfText: Int? = 10) throws -> TextBounds {
            try replaceFile(at: directory + "/config.json", with: configuration)
            unlink(directory + "/generation_config.json")
            if let generation { try replaceFile(at: directory + "/generation_config.json", with: generation) }
            return try TextBounds(directory: directory, endOfText: endOfText, vocabularySize: 11)
        }
        let both = #"{"eos_token_id":3,"bos_token_id":2}"#
        #expect(try bounds(both, nil) == TextBounds(begin: 2, ends: [3]))
        #expect(try bounds(#"{"eos_token_id":[3,4,99]}"#, nil) == TextBounds(begin: 10, ends: [3, 4]))
        #expect(try bounds(both, #"{"eos_token_id":[5]}"#) == TextBounds(begin: 10, ends: [5]))
        #expect(try bounds(both, "{}") == TextBounds(begin: 10, ends: [10]))
        #expect(try bounds("{}", #"{"eos_token_id":50256,"bos_token_id":50256}"#, endOfText: nil) == TextBounds(begin: nil, ends: []))
        #expect(try bounds("{}", nil, endOfText: 12) == TextBounds(begin: nil, ends: []))
        for bad in ["\"</s>\"", "[1, null]", "1.5", "{}", "true"] {
            #expect(throws: CheckpointError.self) { try bounds("{}", #"{"eos_token_id":\#(bad)}"#) }
        }
        #expect(throws: CheckpointError.self) { try bounds("{}", "[]") }
    }

    @Test func aSavedDirectoryKeepsWhatElseItsOriginSaid() throws {
        let store = try saved(configuration)
        var members = try #require(JSON(file: directory + "/config.json").object)
        members["eos_token_id"] = .integer(10)
        try replaceFile(at: directory + "/config.json", with: JSON.object(members).text())
        try replaceFile(at: directory + "/merges.txt", with: "#version: 0.2\n")
        try GPT2(configuration).save(store, to: directory + "/next", origin: directory)
        #expect(try JSON(file: directory + "/next/config.json")["eos_token_id"] == .integer(10))
        #expect(FileManager.default.fileExists(atPath: directory + "/next/merges.txt"))
    }
}
