import FilesTesting
import Foundation
import Model
import Tensors
import Testing

private let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
private let file = root.appending(path: "models/smollm2-135m-instruct.gguf").path
private let fixture = SharedData.path("fixtures/smollm2")

private struct Passage: Decodable {
    var ids: [Int]
    var nll: [Double]
}

/// A published pretrained model with 4-bit weights.
@Suite(
    .enabled(
        if: [file, fixture].allSatisfy { FileManager.default.fileExists(atPath: $0) },
        "models/smollm2-135m-instruct.gguf (deploy/models smollm2) or ../shared/fixtures/smollm2 is absent"))
struct SmolLM2Tests {
    /// The likelihood of every token, as transformers computes it over the same numbers.
    @Test(arguments: ["alice", "tutor"])
    func aPassageIsAsLikelyAsTheReferenceSays(name: String) throws {
        let passage = try JSONDecoder().decode(Passage.self, from: Data(contentsOf: URL(filePath: "\(fixture)/\(name).json")))
        let opened = try TrunkModel(path: file)
        let graph = Graph<Float>.predicting(parameters: opened.parameters, team: Team(count: 2))
        let text = opened.trunk.languageModel(batch: 1, time: passage.ids.count - 1, in: graph)
        text.set([passage.ids])
        graph.forward()
        for (found, expected) in zip(text.losses.values, passage.nll) { #expect(abs(Double(found) - expected) < 0.01 * max(1, expected)) }
    }

    /// Weights as they lie in the file compute the same as their decoded numbers.
    @Test func storedWeightsComputeTheSame() throws {
        let passage = try JSONDecoder().decode(Passage.self, from: Data(contentsOf: URL(filePath: "\(fixture)/tutor.json")))
        let opened = try TrunkModel(path: file, storage: .stored)
        #expect(opened.parameters.frozen.count == 211 && opened.parameters.layout.parameters.count == 61)
        let graph = Graph<Float>.predicting(parameters: opened.parameters, team: Team(count: 2))
        let text = opened.trunk.languageModel(batch: 1, time: passage.ids.count - 1, in: graph)
        text.set([passage.ids])
        graph.forward()
        for (found, expected) in zip(text.losses.values, passage.nll) { #expect(abs(Double(found) - expected) < 0.01 * max(1, expected)) }
    }
}
