import Files
import FilesTesting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Safetensors
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Learn
@testable import Serving
@testable import Tokenization

import struct Statistics.RandomSource

/// A learner's checkpoint is written as a whole, damage is detected, and its trunk opens as a GPT-2.
struct CheckpointStoreTests {
    private let folder = Folder()
    private var directory: String { folder.path("checkpoint") }

    private func settings(seed: Int = 1) -> GraphSettings {
        var settings = GraphSettings()
        settings.seed = seed
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (1, 1, 8)
        settings.mode = .lockstep
        settings.evaluate.holdOut = 0
        (settings.learn.publishEvery, settings.learn.checkpointEvery) = (4, 4)
        (settings.learn.directory, settings.learn.stream, settings.learn.run) = (directory, "one", "first")
        settings.learn.triggers = []
        return settings
    }

    private func input(_ event: MomentEvent) throws -> LearnProcessor.Input {
        var payload: [Payload] = []
        if case .moment? = event.event { payload = [Payload([104, 105] as [Float])] }
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: payload))
    }

    private func moment(_ ordinal: UInt64) throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: ordinal)
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                    $0.senses = [
                        .with {
                            $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                        }
                    ]
                }
            })
    }

    /// Runs a learner over a number of moments; returns it and the updates that it published.
    @discardableResult
    private func learn(_ settings: GraphSettings, moments: UInt64) throws -> (learner: Harness<LearnProcessor>, updates: [Outgoing]) {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        var outputs: [Outgoing] = []
        for ordinal in 1...moments { outputs += learner.send(try moment(ordinal)) }
        #expect(learner.refusals.isEmpty)
        return (learner, outputs.filter { $0.message is ModelUpdate })
    }

    private func archive(_ update: Outgoing) throws -> TensorArchive {
        let message = try #require(update.message as? ModelUpdate)
        var models = AdoptedModels(layout: try MultimodalModel(settings().model).layout, capacity: 2)
        try models.insert(message, payload: WireMessage(message, on: Topics.modelUpdate.only, payload: update.payload))
        return try #require(models.versions.last?.parameters.archive)
    }

    @Test func theTrunkIsAGPT2AndTheRestIsInAFileBesideIt() throws {
        let served = try archive(try #require(try learn(settings(), moments: 5).updates.last))
        let (gpt2, parameters) = try GPT2.open(directory: directory)
        #expect((gpt2.configuration.width, gpt2.configuration.layers, gpt2.configuration.positions) == (8, 1, 8))
        for parameter in gpt2.parameters {
            #expect(try served.tensor(parameter.name).floats() == Array(parameters[parameter.name]), "\(parameter.name)")
        }
        #expect(try openTokenizer(directory: directory).encode("né") == Array("né".utf8).map(Int.init))
        #expect(try TensorArchive(mapping: "\(directory)/model.safetensors").names.allSatisfy { $0.hasPrefix("transformer.") })

        let whole = try ServingModel(settings().model, rows: 1, languageRows: 0)
        try CheckpointStore.copy(MultimodalModel(settings().model), of: directory, into: whole.parameters)
        for parameter in whole.layout.parameters {
            #expect(try served.tensor(parameter.name).floats() == Array(whole.parameters[parameter.name]), "\(parameter.name)")
        }
    }

    @Test func aTokenizerThatTheModelBeganWithGoesAlong() throws {
        let origin = folder.path("gpt2")
        try FileManager.default.createDirectory(atPath: origin, withIntermediateDirectories: true)
        var words = try JSONDecoder().decode([String: Int].self, from: Data(try #require(ByteTokenizer().files["vocab.json"]).utf8))
        words["he"] = 257
        try JSONEncoder().encode(words).write(to: URL(filePath: "\(origin)/vocab.json"))
        try "#version: 0.2\nh e\n".write(toFile: "\(origin)/merges.txt", atomically: true, encoding: .utf8)
        try #"{"eos_token": "<|endoftext|>"}"#.write(toFile: "\(origin)/special_tokens_map.json", atomically: true, encoding: .utf8)
        var settings = settings()
        (settings.model.text.vocabulary, settings.signals.text.tokenizer) = (258, origin)
        try learn(settings, moments: 5)
        #expect(try openTokenizer(directory: directory).encode("hehe") == [257, 257])
        for name in ["vocab.json", "merges.txt", "special_tokens_map.json"] {
            #expect(
                try Data(contentsOf: URL(filePath: "\(origin)/\(name)")) == Data(contentsOf: URL(filePath: "\(directory)/\(name)")),
                "\(name)")
        }
    }

    /// The files of the byte tokenizer beside a trunk of 49,152 tokens would be those of another language.
    @Test func theTokenizerOfAGGUFFileStaysThere() throws {
        let trunk = folder.path("model.gguf")
        try replaceFile(at: trunk, with: "GGUF")
        #expect(try tokenizerFiles(of: trunk, vocabulary: 49_152).isEmpty)
        #expect(try tokenizerFiles(of: "", vocabulary: 257).keys.contains("vocab.json"))
    }

    /// Forty flipped bits, and a truncated end, of every file: what is opened is the newest checkpoint or the one before.
    @Test func noFlippedBitOfAnyFileIsServedOrLearnedFrom() throws {
        var published: [String] = []
        var learner = Harness(try LearnProcessor(settings(), clock: VirtualClock()))
        for ordinal in 1...9 as ClosedRange<UInt64> {
            published += learner.send(try moment(ordinal)).compactMap { ($0.message as? ModelUpdate)?.sha256.base64EncodedString() }
        }
        let files = fileNames(in: directory).filter {
            FileKind(of: "\(directory)/\($0)") == .regular && $0 != "versions.reserved" && $0 != LedgerFile.name
        }
        #expect(files.count >= 7, "\(files)")
        let whole = folder.path("whole")
        try FileManager.default.moveItem(atPath: directory, toPath: whole)
        var random = RandomSource(seed: 20_261_129)
        for file in files {
            for trial in 0..<5 {
                if fileExists(directory) { try FileManager.default.removeItem(atPath: directory) }
                try FileManager.default.copyItem(atPath: whole, toPath: directory)
                let url = URL(filePath: "\(directory)/\(file)")
                var bytes = try Data(contentsOf: url)
                let bit = random.uniform(below: 8 * bytes.count)
                bytes[bit / 8] ^= 1 << (bit % 8)
                try (trial == 0 ? bytes.prefix(bytes.count - 1) : bytes).write(to: url)
                if file.hasPrefix("model") || file.hasPrefix("config") || file.hasPrefix("vocab") {
                    #expect(throws: (any Error).self, "bit \(bit) of \(file)") { try GPT2.open(directory: directory) }
                }
                var again = Harness(try LearnProcessor(settings(), clock: VirtualClock()))
                #expect(again.processor.telemetry.drops[.checkpointDamaged] == 1, "bit \(bit) of \(file)")
                let update = try #require(again.advance(by: .milliseconds(1)).compactMap { $0.message as? ModelUpdate }.first)
                #expect(published.contains(update.sha256.base64EncodedString()), "bit \(bit) of \(file)")
                #expect(try GPT2.open(directory: directory).model.configuration.width == 8)  // the previous checkpoint is restored
            }
        }
    }

    @Test func whereNoCheckpointIsWholeTheErrorNamesTheFile() throws {
        try learn(settings(), moments: 5)
        try Data("{}".utf8).write(to: URL(filePath: "\(directory)/config.json"))
        let error = try #require(throws: FileDamage.self) { try LearnProcessor(settings(), clock: VirtualClock()) }
        #expect(error.description.hasPrefix("\(directory)/config.json is damaged"))
        try FileManager.default.removeItem(atPath: "\(directory)/SHA256SUMS")
        let mismatch = try #require(throws: CheckpointMismatch.self) { try LearnProcessor(settings(), clock: VirtualClock()) }
        #expect(mismatch.description.contains("without SHA256SUMS"))
    }

    /// A directory is used for another model: the error says so, and what to do.
    @Test func theCheckpointOfAnotherModelIsRefusedWithAdvice() throws {
        try learn(settings(), moments: 5)
        var settings = settings()
        settings.model.width = 16
        let mismatch = try #require(throws: CheckpointMismatch.self) { try LearnProcessor(settings, clock: VirtualClock()) }
        #expect(mismatch.description.contains("holds the checkpoint of another model; choose another directory"))
    }

    @Test func aCheckpointThatCannotBeWrittenIsCountedWithItsCause() throws {
        var learner = Harness(try LearnProcessor(settings(), clock: VirtualClock()))
        for ordinal in 1...3 as ClosedRange<UInt64> { learner.send(try moment(ordinal)) }
        try FileManager.default.removeItem(atPath: directory)
        try Data().write(to: URL(filePath: directory))
        for ordinal in 4...9 as ClosedRange<UInt64> { learner.send(try moment(ordinal)) }
        let drops = learner.processor.telemetry.drops
        #expect(drops[.checkpointFailed] >= 2)
        #expect(drops.causes[.checkpointFailed] == "\(directory) cannot be written: it is a regular file, not a directory")
        #expect(learner.refusals.isEmpty)
    }

    @Test func aDirectoryThatIsAFileIsRefusedAtTheStart() throws {
        try Data("mine".utf8).write(to: URL(filePath: directory))
        let error = try #require(throws: FileError.self) { try LearnProcessor(settings(), clock: VirtualClock()) }
        #expect(error.description == "\(directory) cannot be written: it is a regular file, not a directory")
        #expect(try String(contentsOfFile: directory, encoding: .utf8) == "mine")
    }

    @Test func whatAKilledLearnerLeftUnfinishedIsRemovedAtTheNextStart() throws {
        try learn(settings(), moments: 5)
        let before = fileNames(in: directory)
        let process = try Process.run(URL(filePath: "/bin/true"), arguments: [])
        process.waitUntilExit()
        for name in ["training.safetensors", "policy.safetensors", "config.json"] {
            try Data("half".utf8).write(to: URL(filePath: "\(directory)/\(name).\(process.processIdentifier).partial"))
        }
        try prepareDirectory(at: "\(directory)/next")
        try Data("half".utf8).write(to: URL(filePath: "\(directory)/next/model.safetensors"))
        _ = try LearnProcessor(settings(), clock: VirtualClock())
        #expect(fileNames(in: directory) == before)
    }

    // MARK: Numbers

    @Test func numbersThatAreNotFiniteSurviveInTheState() throws {
        let numbers: [Double] = [.infinity, -.infinity, 1.5]
        let text = Data(try StateCoding.encode(["numbers": numbers + [.nan]]))
        let read = try #require(try StateCoding.decode([String: [Double]].self, from: text, of: "state")["numbers"])
        #expect(Array(read.prefix(3)) == numbers && read[3].isNaN && read.count == 4)
    }

    @Test(arguments: ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e300", "\"five\"", "null"])
    func aCountThatNoLearnerComesToIsRefusedByName(number: String) throws {
        try learn(settings(), moments: 5)
        for key in ["steps", "moments", "total"] {
            let archive = try TensorArchive(mapping: "\(directory)/training.safetensors")
            let state = String(decoding: try archive.tensor("state").withUnsafeBytes { Array($0) }, as: UTF8.self)
            let changed = state.replacing(try Regex("\"\(key)\":[0-9]+"), with: "\"\(key)\":\(number)")
            #expect(changed != state)
            let tensors =
                archive.tensors.filter { $0.name != "state" }.map { TensorContent($0) } + [
                    TensorContent(name: "state", bytes: Array(changed.utf8))
                ]
            let forged = folder.path("forged")
            try CheckpointDirectory(forged).write([.init("training.safetensors", tensors)])
            var settings = settings()
            settings.learn.directory = forged
            let error = try #require(throws: (any Error).self) { try LearnProcessor(settings, clock: VirtualClock()) }
            #expect(!"\(error)".contains("Swift.DecodingError") && !"\(error)".contains("Context("), "\(error)")
            try FileManager.default.removeItem(atPath: forged)
        }
    }

    /// A stored policy with numbers that are not finite is not served, and does not prevent a start.
    @Test func aPolicyThatIsNotFiniteStartsAgainAndIsReported() throws {
        var settings = settings()
        (settings.decide.policy, settings.decide.inputs, settings.decide.choices) = ("bandit", 2, 2)
        let made = try #require(try DecisionLearner(settings) { ParameterStore(ParameterLayout([])) })
        var learner = made
        let file = folder.path("policy")
        try CheckpointDirectory(file).write(learner.files())
        let archive = try TensorArchive(mapping: "\(file)/policy.safetensors")
        let poisoned = try archive.tensors.map { tensor in
            guard tensor.name.hasPrefix("policy.") else { return TensorContent(tensor) }
            return TensorContent(name: tensor.name, shape: tensor.shape, floats: try tensor.floats().map { _ in .infinity })
        }
        try CheckpointDirectory(file).write([.init("policy.safetensors", poisoned)])
        let again = try #require(
            try DecisionLearner(settings, from: CheckpointDirectory(file).open()) { ParameterStore(ParameterLayout([])) })
        #expect(again.drops[.checkpointDamaged] == 1)
        #expect(again.drops.causes[.checkpointDamaged]?.hasSuffix("the policy starts again") == true)
        var fresh = again
        try CheckpointDirectory(file).write(fresh.files())
        #expect(
            try TensorArchive(mapping: "\(file)/policy.safetensors").tensors.allSatisfy { $0.type != .float32 || (try? $0.floats()) != nil }
        )
    }

    // MARK: Large updates

    @Test func anUpdateLargerThanAFrameTravelsInSeveral() throws {
        var settings = settings()
        settings.learn.directory = ""
        settings.messaging.frameBytes = 1 << 14
        let update = try #require(try learn(settings, moments: 5).updates.last)
        #expect(update.payload.count > 2)
        #expect(
            update.payload.dropLast().allSatisfy { $0.count == 1 << 14 } && update.payload.allSatisfy { (1...1 << 14).contains($0.count) })
        settings.messaging.frameBytes = 1 << 24
        let whole = try #require(try learn(settings, moments: 5).updates.last)
        #expect(whole.payload.count == 1)
        #expect((whole.message as? ModelUpdate)?.sha256 == (update.message as? ModelUpdate)?.sha256)
        #expect(try archive(whole).tensors.map { try $0.floats() } == archive(update).tensors.map { try $0.floats() })
        #expect(throws: Refusal.self) {
            let message = try #require(update.message as? ModelUpdate)
            var models = AdoptedModels(layout: try MultimodalModel(settings.model).layout, capacity: 2)
            try models.insert(message, payload: WireMessage(message, on: Topics.modelUpdate.only, payload: update.payload.reversed()))
        }
    }
}
