import FilesTesting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Signals
import Statistics
import Tensors
import Testing
import Tokenization
@testable import Configuration
@testable import Learn
@testable import Serving

import struct Statistics.RandomSource

/// `model.gpt2`, the older name of `model.trunk`; a trunk that does not learn; and its tokenizer.
struct GPT2StartTests {
    private let folder = Folder()
    private var directory: String { folder.path("gpt2") }
    private let shape = GPT2Configuration(vocabularySize: 257, positions: 24, width: 16, layers: 1, heads: 2)
    private let parameters: ParameterStore<Float>

    init() throws {
        var random = RandomSource(seed: 8)
        let gpt2 = GPT2(shape)
        parameters = gpt2.initialStore(using: &random)
        try gpt2.save(parameters, to: directory)
        for (name, text) in ByteTokenizer().files { try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8) }
    }

    private func settings(_ overrides: [String] = []) throws -> GraphSettings {
        try GraphSettings.read(path: nil, environment: [:], overrides: ["model.gpt2=\(directory)", "model.text.length=12"] + overrides)
            .settings
    }

    @Test func theOldNameMeansTheTrunk() throws {
        let settings = try settings()
        #expect((settings.model.trunk, settings.model.gpt2) == (directory, ""))
        #expect((settings.model.width, settings.model.layers, settings.model.heads) == (16, 1, 2))
        #expect(settings.signals.text.tokenizer == directory && settings.learner.trunk == "adapters")
        #expect(throws: ConfigurationError.self) { try self.settings(["model.width=32"]) }
        #expect(throws: ConfigurationError.self) { try self.settings(["model.text.length=25"]) }
        #expect(throws: ConfigurationError.self) { try GraphSettings.read(path: nil, environment: [:], overrides: ["model.gpt2=/none"]) }
    }

    /// Frozen parameters stay, the others learn; a frozen trunk needs no optimiser state.
    @Test func theTrunkCanBeFrozen() throws {
        var settings = try settings(["model.storage=float32", "model.adapterRank=0", "learner.trunk=frozen"])
        (settings.learner.trunk, settings.learner.replayed, settings.learner.languageRows) = ("frozen", 1, 2)
        let model = try MultimodalModel(settings.model)
        let learner = try OnlineLearner(model, settings.learner, seed: 1)
        try model.loadTrunk(into: learner.parameters)
        let before = learner.parameters.copy()
        try learner.learn(
            MomentInput(
                text: [104, 105], senses: ["vector": SenseInput(rows: 1, columns: 16, values: Array(repeating: 1, count: 16))], label: 2))
        for parameter in model.parameters {
            let isTrunk = parameters.layout[parameter.name] != nil
            let isSame = learner.parameters[parameter.name].elementsEqual(before[parameter.name])
            if isTrunk { #expect(isSame, "\(parameter.name)") }
        }
        #expect(!learner.parameters.values.elementsEqual(before.values))
        let kept = learner.state.tensors.keys
        #expect(kept.contains("optimizer.first_moment.head.class.weight"))
        for parameter in parameters.layout.parameters {
            #expect(!kept.contains { $0.hasSuffix("_moment.\(parameter.name)") }, "\(parameter.name)")
        }
        settings.learner.trunk = "first:1"
        #expect(settings.problems.map(\.key) == ["learner.trunk"])
    }

    @Test func wordsBecomeTheTokenizersTokens() throws {
        var configuration = SignalConfiguration()
        configuration.text.tokenizer = directory
        let features = try TextModality(configuration).features(
            of: RawReading(modality: "text", format: "text/utf-8", payload: Array("né".utf8)))
        #expect(features.values == Array("né".utf8).map(Float.init))
        configuration.text.tokenizer = "/none"
        #expect(throws: SettingsError.self) { try TextModality(configuration) }
    }
}
