import FilesTesting
import Foundation
import Safetensors
import Tensors
import Testing
@testable import Model

private let python = ProcessInfo.processInfo.environment["ACCRETE_TORCH_PYTHON"]

/// Exchange of models and tokenizers with transformers and llama.cpp. ACCRETE_TORCH_PYTHON names a Python with transformers, and with
/// xllamacpp for llama.cpp.
@Suite(.enabled(if: python != nil, "ACCRETE_TORCH_PYTHON names no Python with torch and transformers"))
struct ModelFilesTests {
    private static let script = URL(filePath: #filePath).appending(path: "../../Golden/model_files.py").standardized.path
    private let folder = Folder()
    private var root: String { folder.path("models") }

    private func run(_ work: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: try #require(python))
        process.arguments = [Self.script, work, root]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "model_files.py \(work) \(root) says what differs")
    }

    private func logits(_ path: String, of ids: [Int]) throws -> [Float] {
        let model = try TrunkModel(path: path), graph = Graph<Float>.predicting(parameters: model.parameters)
        let text = model.trunk.languageModel(batch: 1, time: ids.count, in: graph)
        text.set([ids])
        graph.forward()
        return Array(text.logits.values)
    }

    @Test func modelsAndTokenizersComeAndGo() throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        try run("make")
        for kind in ["gpt2", "llama", "llama3", "linear", "mistral", "qwen2"] {
            let path = "\(root)/\(kind)", expected = try TensorArchive(mapping: "\(path)/expected.safetensors")
            let ids = try expected.tensor("ids").integers(), numbers = try expected.tensor("logits").floats()
            let worst = zip(try logits(path, of: ids), numbers).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst < 1e-3, "\(kind)")
            try TrunkFiles(path: path).save(to: "\(path).gguf", as: .gguf(.float16))
            try TrunkFiles(path: path).save(to: "\(path)-8.gguf", as: .gguf(.q8_0))
            try TrunkFiles(path: "\(path).gguf").save(to: "\(path)/back", as: .safetensors)
            let ours = try logits("\(path)/back", of: ids)
            try TensorArchive.write(
                [TensorContent(name: "logits", shape: [ids.count, ours.count / ids.count], floats: ours)], to: "\(path)/ours.safetensors")
        }
        try run("check")
    }
}
