import FilesTesting
import Foundation
import Layers
import Learning
import Model
import Safetensors
import Tensors
import Testing

private let python = ProcessInfo.processInfo.environment["ACCRETE_TORCH_PYTHON"]

/// Exchange of models with transformers and of adapters with peft, both ways. ACCRETE_TORCH_PYTHON names a Python with both.
@Suite(.enabled(if: python != nil, "ACCRETE_TORCH_PYTHON names no Python with torch, transformers and peft"))
struct RoundTripTests {
    private static let script = URL(filePath: #filePath).appending(path: "../../Golden/roundtrip.py").standardized.path
    private let folder = Folder()
    private var root: String { folder.path("models") }

    private func run(_ work: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: try #require(python))
        process.arguments = [Self.script, work, root]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "roundtrip.py \(work) \(root) says what differs")
    }

    private func logits(_ model: GPT2, _ parameters: ParameterStore<Float>, of ids: [Int]) -> [Float] {
        let graph = Graph<Float>.predicting(parameters: parameters)
        let text = model.languageModel(batch: 1, time: ids.count, in: graph)
        text.set([ids])
        graph.forward()
        return Array(text.logits.values)
    }

    private func expectAgreement(_ ours: [Float], _ expected: [Float], _ what: String) {
        let norm = { (x: [Float]) in x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let difference = norm(zip(ours, expected).map { $0 - $1 }) / norm(expected)
        #expect(difference < 1e-5, "\(what): \(difference)")
    }

    @Test func modelsAndAdaptersComeAndGoUnchanged() throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        try run("make")
        for kind in ["tied", "untied", "sharded", "half", "brain", "bare"] {
            let (model, parameters) = try GPT2.open(directory: "\(root)/\(kind)")
            let expected = try TensorArchive(mapping: "\(root)/\(kind)/expected.safetensors")
            let ids = try expected.tensor("ids").integers()
            expectAgreement(logits(model, parameters, of: ids), try expected.tensor("logits").floats(), kind)
            try model.save(parameters, to: "\(root)/\(kind)/back", origin: "\(root)/\(kind)")
        }

        let (model, parameters) = try GPT2.open(directory: "\(root)/tied")
        let expected = try TensorArchive(mapping: "\(root)/peft/expected.safetensors"), ids = try expected.tensor("ids").integers()
        let (adapters, adapted) = try Adapters.open(directory: "\(root)/peft", for: model)
        adapters.merge(adapted, into: parameters)
        expectAgreement(logits(model, parameters, of: ids), try expected.tensor("logits").floats(), "an adapter of peft")

        var configuration = TextTrainer.Configuration()
        configuration.scope = "lora"
        (configuration.rank, configuration.time, configuration.targets) = (2, 12, ["c_attn", "c_fc"])
        configuration.optimizerSettings = .object(["learning_rate": .number(0.05)])
        let (wide, start) = try GPT2.open(directory: "\(root)/tied", adapters: configuration.adapters(of: model))
        let trainer = try TextTrainer(TrunkModel(trunk: wide, parameters: start), tokens: (0..<200).map { $0 * $0 % 61 }, configuration)
        for _ in 0..<10 { _ = trainer.step() }
        try #require(configuration.adapters(of: wide)).save(start, of: wide, to: "\(root)/lora", base: "tied")
        try TensorArchive.write(
            [TensorContent(name: "logits", shape: [ids.count, 64], floats: logits(wide, start, of: ids))],
            to: "\(root)/lora/ours.safetensors")
        try run("check")
    }
}
