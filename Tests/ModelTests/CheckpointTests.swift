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
                TensorContent(name: "lm_head.weight", shape: [1], floats: [0]),
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
        #expect(try refusal { $0.map { TensorContent($0) } + [TensorContent(name: "h.9.x", bytes: [])] } == "\(path) holds h.9.x, which this model does not have")
        #expect(try refusal { $0.map { $0.name == name ? TensorContent(name: name, shape: [4, 2], floats: .init(repeating: 0, count: 8)) : TensorContent($0) } }
            == "\(path): tensor \"\(name)\" has shape [4, 2], expected [8]")
        #expect(try refusal { $0.map { $0.name == name ? TensorContent(name: name, shape: [8], floats: .init(repeating: .infinity, count: 8)) : TensorContent($0) } }
            == "\(path): tensor \"\(name)\" is not finite at element 0")
        #expect(try refusal { $0.map { TensorContent($0) } + [TensorContent(name: "ln_f.bias", shape: [8], floats: .init(repeating: 0, count: 8))] }
            == "\(path): tensor \"ln_f.bias\" is given twice")
    }

    @Test(arguments: [
        (#"{"model_type":"llama"}"#, "model_type is llama; only gpt2 is known"), (#"{"n_head":5}"#, "n_head 5 heads do not divide a width of 768"),
        (#"{"n_embd":"8"}"#, "n_embd is \"8\"; an integer was expected"), (#"{"n_layer":0}"#, "n_layer is 0; it must be between 1 and"),
        (#"{"activation_function":"gelu"}"#, "activation_function is gelu; known are gelu_new"),
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
