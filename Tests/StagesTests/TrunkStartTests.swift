import FilesTesting
import Foundation
import Layers
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Tensors
import Testing
import Tokenization
@testable import Configuration
@testable import Learn
@testable import Serving

/// The graph's trunk can be a pretrained model of any family, whose matrices stay as they are while adapters beside them learn.
struct TrunkStartTests {
    private let folder = Folder()
    private var directory: String { folder.path("llama") }

    init() throws {
        var shape = LlamaConfiguration(), random = RandomSource(seed: 8)
        (shape.vocabularySize, shape.positions, shape.width, shape.hidden, shape.layers, shape.heads, shape.groups) = (
            257, 40, 16, 24, 2, 4, 2
        )
        let llama = Llama(shape)
        try llama.save(llama.initialStore(using: &random), to: directory)
        for (name, text) in ByteTokenizer().files { try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8) }
    }

    private func settings(_ overrides: [String] = []) throws -> GraphSettings {
        try GraphSettings.read(
            path: nil, environment: [:],
            overrides: ["model.trunk=\(directory)", "model.text.length=24", "learner.replayed=1", "learner.languageRows=2"] + overrides
        ).settings
    }

    private func moment(_ text: String, answer: String? = nil) -> MomentInput {
        var moment = MomentInput(
            text: Array(text.utf8).map(Int.init),
            senses: ["vector": SenseInput(rows: 1, columns: 16, values: Array(repeating: 1, count: 16))])
        moment.answer = answer.map { $0.utf8.map(Int.init) }
        return moment
    }

    @Test func settingsThatAreNotGivenFollowFromTheTrunk() throws {
        let settings = try settings()
        #expect((settings.model.width, settings.model.layers, settings.model.heads, settings.model.text.vocabulary) == (16, 2, 4, 257))
        #expect(settings.signals.text.tokenizer == directory && settings.learner.trunk == "adapters")
        #expect(settings.model.adapterRank == 8 && settings.model.storage == "int8")
        let all = try self.settings(["learner.trunk=all"])
        #expect(all.model.adapterRank == 0 && all.model.storage == "float32")
        func problems(_ overrides: String...) -> [String] {
            do { return try self.settings(overrides).problems.map { "\($0.key): \($0.problem)" } } catch let error as ConfigurationError {
                return error.problems.map(\.text)
            } catch { return ["\(error)"] }
        }
        #expect(problems("model.width=32") == ["model.width: is 32, but that of \(directory) is 16"])
        #expect(problems("model.text.length=64").first?.hasPrefix("model.text.length: 64 and a prefix of 6 are more than") == true)
        #expect(problems("learner.trunk=all", "model.storage=int8").first?.hasPrefix("model.storage: is int8, but matrices") == true)
        #expect(problems("model.gpt2=\(directory)").contains { $0.hasPrefix("model.gpt2: and trunk name two models") })
        #expect(problems("model.trunk=/none").contains { $0.hasPrefix("model.trunk: ") })
    }

    @Test func onlyAdaptersOfTheTrunkLearnAndAnUpdateHoldsNoFrozenMatrix() throws {
        let settings = try settings(), guided = try GuidedLearner(settings), before = guided.learner.parameters.copy()
        #expect(before.layout.range(of: "model.layers.0.self_attn.q_proj.weight") == nil)
        #expect(before.frozen["model.layers.0.self_attn.q_proj.weight"] != nil)
        #expect(before["model.norm.weight"].allSatisfy { $0 == 1 })
        for _ in 0..<3 { _ = try guided.learn(moment("what is this", answer: "a lamp"), source: "s", at: 0) }
        let after = guided.learner.parameters
        #expect(after["model.norm.weight"].elementsEqual(before["model.norm.weight"]))
        for name in ["model.layers.1.self_attn.q_proj.lora_B.weight", "model.layers.0.self_attn.v_proj.lora_B.weight"] {
            #expect(!after[name].elementsEqual(before[name]), "\(name)")
        }
        var learn = Harness(try LearnProcessor(settings, clock: MonotonicClock()))
        let update = try #require(learn.advance(by: .milliseconds(1)).first), message = try #require(update.message as? ModelUpdate)
        var models = AdoptedModels(layout: try MultimodalModel(settings.model).layout, capacity: 2)
        try models.insert(message, payload: WireMessage(message, on: Topics.modelUpdate.only, payload: update.payload))
        #expect(models.versions.count == 1)
    }

    /// Another family: learned positions, projections stored inputs first, one projection for queries, keys and values.
    @Test func aGPT2IsATrunkToo() throws {
        var random = RandomSource(seed: 9)
        let gpt2 = GPT2(GPT2Configuration(vocabularySize: 257, positions: 40, width: 16, layers: 1, heads: 2)), path = folder.path("gpt2")
        try gpt2.save(gpt2.initialStore(using: &random), to: path)
        for (name, text) in ByteTokenizer().files { try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8) }
        let guided = try GuidedLearner(try settings(["model.trunk=\(path)"])), before = guided.learner.parameters.copy()
        #expect(before.frozen.count == 6 && before.layout.range(of: "wte.weight") == nil)
        let outcome = try #require(try guided.learn(moment("what is this", answer: "a lamp"), source: "s", at: 0))
        #expect(outcome.stepped && outcome.losses.language > 0)
        let name = "h.0.attn.c_attn.lora_B.weight"
        #expect(!guided.learner.parameters[name].elementsEqual(before[name]))
    }

    /// The right answer, given once, is what the trunk writes afterwards; a model that opens the checkpoint writes it too.
    @Test func aCorrectionIsAnswered() throws {
        let settings = try settings([
            "learner.correctionSteps=400", "learner.trunk=all", "learner.optimizerSettings={learning_rate: 0.01}",
            "learn.directory=\(folder.path("checkpoint"))",
        ])
        let guided = try GuidedLearner(settings), model = guided.learner.model
        let decoder = MomentDecoder(model, sampling: Sampling(temperature: 0), maximumTokens: 12)
        func answer(_ parameters: ParameterStore<Float>) -> String {
            decoder.begin(moment("what is this"), with: parameters, seed: 1)
            var tokens: [Int] = []
            while let token = decoder.next() { tokens.append(token) }
            return String(decoding: tokens.filter { $0 < 256 }.map(UInt8.init), as: UTF8.self)
        }
        #expect(answer(guided.serving) != "a lamp")
        _ = try guided.learn(moment("what is this", answer: "a lamp"), source: "s", at: 0)
        #expect(answer(guided.serving) == "a lamp" && decoder.end == .endOfText)
        let store = try CheckpointStore(directory: settings.learn.directory, model: settings.model, tokenizer: directory)
        try store.save(guided, LearnProgress(), LabelJoin(patience: 1))
        let copy = ParameterStore<Float>(model.layout)
        try CheckpointStore.copy(model, of: settings.learn.directory, into: copy)
        #expect(answer(copy) == "a lamp")
        // Without adapters, the checkpoint is a model of the trunk's family.
        let opened = try TrunkModel(path: settings.learn.directory, storage: .float32)
        #expect(opened.parameters["model.norm.weight"].elementsEqual(guided.serving["model.norm.weight"]))
        let query = "model.layers.0.self_attn.q_proj.weight"
        #expect(opened.parameters[query].elementsEqual(guided.serving[query]))
    }

    /// PEFT opens what learned beside a trunk that stays, and so does `accrete model merge`.
    @Test func aCheckpointsAdaptersHavePEFTsLayout() throws {
        let settings = try settings(["learn.directory=\(folder.path("checkpoint"))"])
        let guided = try GuidedLearner(settings), model = guided.learner.model
        _ = try guided.learn(moment("what is this", answer: "a lamp"), source: "s", at: 0)
        let store = try CheckpointStore(directory: settings.learn.directory, model: settings.model, tokenizer: directory)
        try store.save(guided, LearnProgress(), LabelJoin(patience: 1))
        let (adapters, parameters) = try Adapters.open(
            directory: settings.learn.directory, for: TrunkFiles(path: directory).trunk as! Llama)
        #expect(adapters.rank == 8)
        #expect(parameters.layout.parameters.count == 8)
        for parameter in parameters.layout.parameters {
            #expect(parameters[parameter.name].elementsEqual(guided.serving[parameter.name]), "\(parameter.name)")
        }
        let copy = ParameterStore<Float>(model.layout)
        try CheckpointStore.copy(model, of: settings.learn.directory, into: copy)
        #expect(copy.values.elementsEqual(guided.serving.values))
    }
}

/// SmolLM2 in the graph, from its 4-bit file.
@Suite(.enabled(if: ModelFile.isWanted(ModelFile.smolLM2), "models/smollm2-135m-instruct.gguf is absent: deploy/models smollm2"))
struct SmolLM2Tests {
    private func settings(_ overrides: [String] = []) throws -> GraphSettings {
        try GraphSettings.read(
            path: nil, environment: [:],
            overrides: ["model.trunk=\(ModelFile.smolLM2)", "learner.replayed=1", "learner.languageRows=2"] + overrides
        ).settings
    }

    /// What the trunk reads is what the chat format writes for the same question.
    @Test func theTurnsAreThoseOfTheChatFormat() throws {
        let path = ModelFile.smolLM2, tokenizer = try openTokenizer(path: path)
        let bounds = try TextBounds(path: path, tokenizer: tokenizer, vocabularySize: tokenizer.vocabularySize)
        var conversation = try Conversation(ChatFormat(tokenizer, template: chatTemplate(path: path)), tokenizer, bounds: bounds)
        let question = Array("What is this?".utf8)
        try conversation.ask(question)
        let turns = try TurnTokens(path: path, tokenizer: tokenizer, vocabularySize: tokenizer.vocabularySize)
        #expect(turns.opening + tokenizer.encodeText(question) + turns.answering == conversation.prompt)
        #expect(tokenizer.specialToken("<|im_end|>") == turns.end)
    }

    /// A client asks, is answered wrongly, corrects once through feedback, and asks again in another session.
    @Test func aCorrectionIsKnownInAnotherSession() throws {
        let settings = try settings(["answer.after=[label]", "answer.maximumTokens=24"])
        let question = "What is the name of the ship in the museum of Holm?", tokenizer = try openTokenizer(path: ModelFile.smolLM2)
        var learn = Harness(try LearnProcessor(settings, clock: MonotonicClock()))
        let layout = try MultimodalModel(settings.model).layout
        var models = AdoptedModels(layout: layout, capacity: 2)
        let decoder = MomentDecoder(try MultimodalModel(settings.model), sampling: Sampling(temperature: 0), maximumTokens: 24)
        let input = MomentInput(text: tokenizer.encode(question))
        func adopt(_ outputs: [Outgoing]) throws {
            for output in outputs {
                guard let update = output.message as? ModelUpdate else { continue }
                try models.insert(update, payload: WireMessage(update, on: Topics.modelUpdate.only, payload: output.payload))
            }
        }
        func answer() throws -> String {
            let version = try #require(models.versions.last), store = ParameterStore<Float>(layout)
            version.parameters.copy(into: store)
            decoder.begin(input, with: store, seed: 1)
            var tokens: [Int] = []
            while let token = decoder.next() { tokens.append(token) }
            return String(decoding: try tokenizer.decode(tokens), as: UTF8.self)
        }
        func moment(_ session: String, _ ordinal: UInt64) -> Moment {
            .with {
                $0.session = session; $0.ordinal = ordinal; $0.end = Int64(ordinal) * 1_000_000_000
                $0.id = "\(session)/\($0.end)"
                $0.kind = .labelRequest
            }
        }
        try adopt(learn.advance(by: .milliseconds(1)))
        let before = try answer()
        #expect(!before.contains("Merrow"))
        let asked = moment("first", 1)
        try adopt(learn.send(.event(.moment(asked, input), Stamp())))
        let correction = Feedback.with {
            $0.session = asked.session; $0.momentEnd = asked.end; $0.text = "The ship is called Merrow."
        }
        try adopt(learn.send(.event(.feedback(correction), Stamp())))
        try adopt(learn.advance(by: .seconds(60)))
        #expect(learn.refusals.isEmpty)
        #expect(try answer().contains("Merrow"))
    }
}
