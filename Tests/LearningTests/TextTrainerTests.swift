import Files
import FilesTesting
import Foundation
import Layers
import Model
import Safetensors
import Statistics
import Tensors
import Testing
@testable import Learning

@Suite struct TextTrainerTests {
    private let folder = Folder()

    static let shape = GPT2Configuration(vocabularySize: 256, positions: 24, width: 16, layers: 3, heads: 2)
    static let song = (0..<40).flatMap { _ in Array("row, row, row your boat\n".utf8).map(Int.init) }

    private static func configuration(_ scope: String = "all", recompute: Bool = false) -> TextTrainer.Configuration {
        var configuration = TextTrainer.Configuration()
        configuration.scope = scope
        configuration.optimizerSettings = .object(["learning_rate": .number(0.01), "clip_norm": .number(1)])
        (configuration.batch, configuration.time, configuration.accumulate, configuration.rank) = (2, 12, 2, 3)
        configuration.targets = ["c_attn", "mlp.c_fc"]
        configuration.recompute = recompute
        return configuration
    }

    private static func parameters(_ model: GPT2) -> ParameterStore<Float> {
        var random = RandomSource(seed: 5)
        return model.initialStore(using: &random)
    }

    private static func opened(_ model: GPT2) -> TrunkModel { TrunkModel(trunk: model, parameters: parameters(model)) }

    private func trainer(_ configuration: TextTrainer.Configuration = configuration(), team: Int = 1) throws -> TextTrainer {
        let model = GPT2(Self.shape, adapters: configuration.adapters(of: GPT2(Self.shape)))
        return try TextTrainer(Self.opened(model), tokens: Self.song, configuration, team: Team(count: team))
    }

    @Test(arguments: ["all", "last:1", "head", "lora"])
    func everyScopeLearnsAndLeavesTheRestAsItWas(scope: String) throws {
        let trainer = try trainer(Self.configuration(scope)), before = trainer.parameters.copy()
        let first = trainer.step().loss
        var last = first
        for _ in 0..<60 { last = trainer.step().loss }
        #expect(last < first - 0.2)
        for parameter in trainer.model.parameters {
            let learns = try trainer.configuration.learningScope.learns(parameter, in: trainer.model as! GPT2)
            let isSame = trainer.parameters[parameter.name].elementsEqual(before[parameter.name])
            #expect(learns != isSame, "\(parameter.name)")
        }
    }

    /// What is frozen costs neither gradients nor moments, and no backward pass beneath the lowest block that learns.
    @Test func whatIsFrozenCostsNothing() throws {
        let whole = try trainer(), last = try trainer(Self.configuration("last:1")), lora = try trainer(Self.configuration("lora"))
        let block = 12 * 16 * 16 + 13 * 16 + 2 * 16
        #expect(last.memory.gradients == 4 * block && last.memory.moments == 8 * block)
        #expect(lora.memory.gradients == 4 * 3 * 3 * (16 + 48 + 16 + 64))
        #expect(last.memory.activations < whole.memory.activations)
        for trainer in [whole, last] { _ = trainer.step() }
        #expect(last.graph.backwardSteps < whole.graph.backwardSteps / 2)
    }

    /// Windows here are fewer than the rows of logits that are computed together; more would differ in rounding.
    @Test(arguments: ["all", "last:2", "lora"])
    func recomputingChangesNoBit(scope: String) throws {
        let plain = try trainer(Self.configuration(scope)), sparing = try trainer(Self.configuration(scope, recompute: true))
        for _ in 0..<4 { #expect(plain.step() == sparing.step()) }
        #expect(plain.parameters.values.elementsEqual(sparing.parameters.values))
        #expect(sparing.memory.activations < plain.memory.activations)
    }

    @Test(arguments: ["all", "last:1", "head", "lora"], [false, true])
    func memoryIsKnownBeforehand(scope: String, recompute: Bool) throws {
        for (team, isTied) in [(1, true), (2, false)] {
            var shape = Self.shape
            shape.isTied = isTied
            shape.hidden = isTied ? nil : 40
            let configuration = Self.configuration(scope, recompute: recompute)
            let model = GPT2(shape, adapters: configuration.adapters(of: GPT2(shape))), team = Team(count: team)
            let trainer = try TextTrainer(Self.opened(model), tokens: Self.song, configuration, team: team)
            let known = try configuration.memory(of: GPT2(shape), team: team), measured = trainer.memory
            #expect(known.parameters == measured.parameters && known.gradients == measured.gradients)
            #expect(known.moments == measured.moments && known.activations == measured.activations)
        }
    }

    /// Of any family, with adapters over matrices that stay as they are stored.
    @Test(arguments: [false, true])
    func memoryOverAFrozenModelIsKnownBeforehandAndOnlyAdaptersLearn(recompute: Bool) throws {
        var shape = LlamaConfiguration()
        (shape.vocabularySize, shape.positions, shape.width, shape.hidden, shape.layers) = (256, 24, 16, 24, 2)
        (shape.heads, shape.groups) = (4, 2)
        for trunk in [Llama(shape), GPT2(Self.shape)] as [any Trunk] {
            let path = folder.path("model"), team = Team(count: 2)
            var random = RandomSource(seed: 5)
            try trunk.save(trunk.initialStore(of: Float.self, using: &random), to: path)
            var configuration = Self.configuration("lora", recompute: recompute)
            configuration.targets = []
            let files = try TrunkFiles(path: path), frozen = try files.frozen(.int8)
            let opened = try files.model(frozen: frozen, adapters: configuration.adapters(of: trunk))
            let trainer = try TextTrainer(opened, tokens: Self.song, configuration, team: team)
            let known = try configuration.memory(of: trunk, frozen: frozen, team: team), measured = trainer.memory
            #expect(known.parameters == measured.parameters && known.gradients == measured.gradients)
            #expect(known.moments == measured.moments && known.activations == measured.activations)
            let first = trainer.step().loss
            var last = first
            for _ in 0..<60 { last = trainer.step().loss }
            #expect(last < first - 0.1)
        }
    }

    /// A training that is stopped anywhere and restored from the file ends with the same result, to the bit.
    @Test(arguments: ["all", "lora"])
    func trainingGoesOnExactly(scope: String) throws {
        let path = folder.path("training.safetensors")
        let whole = try trainer(Self.configuration(scope)), begun = try trainer(Self.configuration(scope))
        for _ in 0..<25 { _ = whole.step() }
        for _ in 0..<13 { _ = begun.step() }
        try begun.save(to: path)
        let continued = try trainer(Self.configuration(scope))
        try continued.restore(from: path)
        for _ in 13..<25 { _ = continued.step() }
        #expect(continued.steps == 25 && continued.epoch == whole.epoch && whole.epoch > 0)
        #expect(continued.parameters.values.elementsEqual(whole.parameters.values))

        var other = Self.configuration(scope)
        other.seed = 2
        #expect(throws: TextTrainer.Mismatch.self) { try trainer(other).restore(from: path) }
        try replaceFile(at: path, with: "no checkpoint")
        #expect(throws: FileDamage.self) { try trainer(Self.configuration(scope)).restore(from: path) }
    }

    @Test func aDamagedCheckpointIsRefusedOrGoneOnFromTheOneBefore() throws {
        let path = folder.path("training.safetensors"), begun = try trainer(Self.configuration("all"))
        var saved: [Data] = []
        for _ in 0..<2 {
            _ = begun.step()
            try begun.save(to: path)
            saved.append(Data(bytes: begun.parameters.values.baseAddress!, count: begun.parameters.values.count * 4))
        }
        let whole = try Data(contentsOf: URL(filePath: path))
        var random = RandomSource(seed: 50)
        for _ in 0..<40 {
            var flipped = whole
            let bit = random.uniform(below: 8 * whole.count), damaged = Folder()
            flipped[bit / 8] ^= 1 << (bit % 8)
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                try FileManager.default.copyItem(atPath: folder.path(name), toPath: damaged.path(name))
            }
            try flipped.write(to: URL(filePath: damaged.path("training.safetensors")))
            let continued = try trainer(Self.configuration("all"))
            #expect(try continued.restore(from: damaged.path("training.safetensors")) != nil, "bit \(bit)")
            #expect(continued.steps == 1, "bit \(bit)")
            #expect(
                Data(bytes: continued.parameters.values.baseAddress!, count: continued.parameters.values.count * 4) == saved[0],
                "bit \(bit)")
        }
    }

    @Test(arguments: ["\"place\":-1", "\"place\":9223372036854775807", "\"epoch\":9223372036854775807", "\"steps\":9223372036854775807"])
    func aCountThatNoTrainingComesToIsRefused(wrong: String) throws {
        let path = folder.path("training.safetensors"), begun = try trainer(Self.configuration("all"))
        _ = begun.step()
        try begun.save(to: path)
        let archive = try TensorArchive(mapping: path), key = wrong.prefix { $0 != ":" }
        let state = String(decoding: try archive.tensor("state").withUnsafeBytes { Array($0) }, as: UTF8.self)
        let changed = state.replacing(try Regex("\(key):[0-9]+"), with: wrong)
        #expect(changed != state)
        let tensors =
            archive.tensors.filter { $0.name != "state" }.map { TensorContent($0) } + [
                TensorContent(name: "state", bytes: Array(changed.utf8))
            ]
        try CheckpointDirectory(folder.path).write([.init("training.safetensors", tensors)])
        #expect(throws: TextTrainer.Mismatch.self) { try trainer(Self.configuration("all")).restore(from: path) }
    }

    @Test func whatIsNotFiniteChangesNothingAndIsCounted() throws {
        let trainer = try trainer()
        _ = trainer.step()
        trainer.parameters["h.1.mlp.c_fc.weight"][0] = .infinity
        let before = trainer.parameters.copy(), moments = trainer.optimizer.moments.map { $0.copy() }
        let outcome = trainer.step()
        #expect(!outcome.stepped && trainer.skipped == 1 && trainer.steps == 2)
        #expect(trainer.parameters.values.elementsEqual(before.values))
        for (moment, old) in zip(trainer.optimizer.moments, moments) { #expect(moment.values.elementsEqual(old.values)) }
    }

    @Test func nonsenseIsRefused() throws {
        #expect(throws: TextTrainer.Refusal.tooShort(tokens: 1)) {
            try TextTrainer(Self.opened(GPT2(Self.shape)), tokens: [1])
        }
        #expect(throws: TextTrainer.Refusal.outOfRange(token: 256, vocabularySize: 256)) {
            try TextTrainer(Self.opened(GPT2(Self.shape)), tokens: [1, 256])
        }
        var nowhere = Self.configuration("lora")
        nowhere.targets = ["q_proj"]
        #expect(throws: TextTrainer.Refusal.noTarget(["q_proj"])) { try trainer(nowhere) }
        #expect(throws: SettingsError.self) { try Self.configuration("first:1").validate() }
    }

    @Test func anEpochShowsEveryWindowOnce() {
        var windows = TextWindows(Array(0..<100), time: 12, seed: 3)
        #expect(windows.count == 9)
        for epoch in 0..<3 {
            let seen = (0..<9).map { _ in windows.next() }
            #expect(Set(seen.map(\.first)) == Set(stride(from: 0, to: 97, by: 12)))
            #expect(seen.allSatisfy { $0.count == ($0.first == 96 ? 4 : 13) })
            #expect(windows.cursor == .init(epoch: epoch, place: 9))
        }
    }
}
