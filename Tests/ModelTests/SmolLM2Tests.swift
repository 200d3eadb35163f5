import FilesTesting
import Foundation
import Model
import Tensors
import Testing
import Tokenization

private let file = ModelFile.smolLM2
private let fixture = SharedData.path("fixtures/smollm2")

private struct Passage: Decodable {
    var ids: [Int]
    var nll: [Double]
}

/// A published pretrained model with 4-bit weights.
@Suite(
    .enabled(
        if: ModelFile.isWanted(file) && SharedData.isWanted("fixtures/smollm2"),
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

    /// The weights as they are stored, with activations of eight bits, are nearly as likely to say what the reference says.
    @Test(arguments: ["alice", "tutor"])
    func theStoredWeightsAgree(name: String) throws {
        let passage = try JSONDecoder().decode(Passage.self, from: Data(contentsOf: URL(filePath: "\(fixture)/\(name).json")))
        let decoder = TextDecoder(try TrunkModel(path: file, storage: .stored), team: Team(count: 2)), count = 100
        var sum = 0.0, expected = 0.0
        for place in 0..<count {
            decoder.advance([passage.ids[place]])
            sum += nll(decoder.logits(of: 0), passage.ids[place + 1])
            expected += passage.nll[place]
        }
        #expect(abs(sum - expected) < 0.03 * expected)
        let logits = Array(decoder.logits(of: 0))
        decoder.forget(0)
        decoder.read(passage.ids.prefix(count - 1), stream: 0)
        decoder.advance([passage.ids[count - 1]])
        let spread = (logits.max() ?? 0) - (logits.min() ?? 0)
        #expect(zip(logits, decoder.logits(of: 0)).allSatisfy { abs($0 - $1) < 0.06 * spread })
    }

    private func nll(_ logits: UnsafeMutableBufferPointer<Float>, _ token: Int) -> Double {
        let peak = Double(logits.max() ?? 0)
        return peak + log(logits.reduce(0) { $0 + exp(Double($1) - peak) }) - Double(logits[token])
    }

    @Test func aQuestionIsAnswered() throws {
        let decoder = TextDecoder(try TrunkModel(path: file, storage: .stored)), tokenizer = try openTokenizer(path: file)
        let bounds = try TextBounds(path: file, tokenizer: tokenizer, vocabularySize: 49_152)
        let format = try ChatFormat(tokenizer, template: chatTemplate(path: file))
        var conversation = try Conversation(format, tokenizer, bounds: bounds, system: "You are a helpful assistant.")
        try conversation.ask(Array("What is the capital of France?".utf8))
        var settings = Generation.Settings()
        settings.sampling = Sampling(temperature: 0)
        settings.bounds = TextBounds(begin: nil, ends: conversation.ends)
        let generation = try Generation(decoder, tokenizer, prompts: [conversation.prompt], settings, seed: 0)
        var text: [UInt8] = [], end: Generation.End?
        while let pieces = try generation.next() {
            for piece in pieces { (text, end) = (text + piece.bytes, piece.end) }
        }
        #expect(String(decoding: text, as: UTF8.self).contains("Paris") && end == .endOfText)
    }
}
