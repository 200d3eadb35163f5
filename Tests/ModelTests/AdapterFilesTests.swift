import Files
import FilesTesting
import Foundation
import Layers
import Model
import Safetensors
import Statistics
import StrictJSON
import Tensors
import Testing

@Suite struct AdapterFilesTests {
    let model = GPT2(GPT2Configuration(vocabularySize: 11, positions: 6, width: 4, layers: 2, heads: 2))
    private let folder = Folder()
    private var directory: String { folder.path("adapters") }
    var random = RandomSource(seed: 2)

    /// Adapters of rank 2 and α = 3 that change something.
    private mutating func adapted(_ targets: [String]) -> (adapters: Adapters, parameters: ParameterStore<Float>) {
        let adapters = Adapters(rank: 2, alpha: 3, projections: targets)
        let adapted = GPT2(model.configuration, adapters: adapters)
        let store = ParameterStore<Float>(ParameterLayout(adapted.parameters.filter(Adapters.contains)))
        adapters.begin(in: store, using: &random)
        for parameter in store.layout.parameters where parameter.name.hasSuffix("lora_B.weight") {
            for i in 0..<parameter.count { store[parameter.name][i] = Float(i) - 3 }
        }
        return (adapters, store)
    }

    private func projections(_ store: ParameterStore<Float>) -> [String] {
        store.layout.parameters.map(\.name).filter { $0.hasSuffix(".lora_A.weight") }.map { String($0.dropLast(".lora_A.weight".count)) }
    }

    @Test mutating func targetsAreChosenByTheEndOfTheirName() throws {
        #expect(projections(adapted(["c_attn"]).parameters) == ["h.0.attn.c_attn", "h.1.attn.c_attn"])
        #expect(projections(adapted(["mlp.c_proj"]).parameters) == ["h.0.mlp.c_proj", "h.1.mlp.c_proj"])
        #expect(projections(adapted(["c_proj"]).parameters).count == 4)
        #expect(projections(adapted(["q_proj"]).parameters).isEmpty)
    }

    @Test mutating func mergingAddsTheProductAndUnmergingTakesItOff() throws {
        let store = model.initialStore(of: Float.self, using: &random), before = store.copy()
        let (adapters, adapted) = adapted(["c_attn"])
        adapters.merge(adapted, into: store)
        let a = adapted["h.1.attn.c_attn.lora_A.weight"], b = adapted["h.1.attn.c_attn.lora_B.weight"]
        for i in 0..<4 {
            for o in 0..<12 {
                let change = 1.5 * (a[i] * b[o * 2] + a[4 + i] * b[o * 2 + 1])
                #expect(abs(store["h.1.attn.c_attn.weight"][i * 12 + o] - before["h.1.attn.c_attn.weight"][i * 12 + o] - change) < 1e-4)
            }
        }
        #expect(store["h.1.mlp.c_fc.weight"].elementsEqual(before["h.1.mlp.c_fc.weight"]))
        adapters.unmerge(adapted, from: store)
        #expect(zip(store.values, before.values).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test mutating func whatIsSavedOpens() throws {
        let (adapters, store) = adapted(["c_attn", "mlp.c_fc"])
        try adapters.save(store, to: directory, base: "gpt2")
        let opened = try Adapters.open(directory: directory, for: model)
        #expect(opened.adapters == adapters)
        #expect(opened.parameters.layout == store.layout)
        #expect(opened.parameters.values.elementsEqual(store.values))
        let names = try TensorArchive(mapping: directory + "/adapter_model.safetensors").names
        #expect(names.contains("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"))
    }

    @Test mutating func adaptersOfOtherKindsAreRefusedByKey() throws {
        let (adapters, store) = adapted(["c_attn"])
        try adapters.save(store, to: directory, base: "gpt2")
        let file = directory + "/adapter_config.json"
        let members = try #require(JSON(file: file).object)
        for (key, value) in [("peft_type", JSON.string("IA3")), ("use_dora", .bool(true)), ("r", .integer(0)), ("bias", .string("all"))] {
            try replaceFile(at: file, with: JSON.object(members.merging([key: value]) { $1 }).text())
            #expect(throws: CheckpointError.configuration(file: file, key: key, "is \(value.text())")) { try Adapters.open(directory: directory, for: model) }
        }
        try replaceFile(at: file, with: JSON.object(members.merging(["r": .integer(3)]) { $1 }).text())
        #expect(throws: SafetensorsError.self) { try Adapters.open(directory: directory, for: model) }
        try replaceFile(at: file, with: JSON.object(members.merging(["target_modules": .array([.string("q_proj")])]) { $1 }).text())
        #expect(throws: CheckpointError.configuration(file: file, key: "target_modules", "names q_proj, which this model does not have")) {
            try Adapters.open(directory: directory, for: model)
        }
    }
}
