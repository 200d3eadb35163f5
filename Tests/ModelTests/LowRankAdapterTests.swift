import Foundation
import Model
import Safetensors
import Statistics
import StrictJSON
import Tensors
import Testing

@Suite struct LowRankAdapterTests {
    let model = GPT2(GPT2Configuration(vocabularySize: 11, positions: 6, width: 4, layers: 2, heads: 2))
    let directory = FileManager.default.temporaryDirectory.appending(path: "adapter-\(UUID())").path
    var random = RandomSource(seed: 2)

    private mutating func adapter(_ targets: [String]) throws -> LowRankAdapter {
        var configuration = LowRankAdapter.Configuration()
        configuration.rank = 2
        configuration.alpha = 3
        configuration.targets = targets
        var adapter = try LowRankAdapter(model, configuration, using: &random)
        for name in adapter.projections {
            guard let (a, b) = adapter[name] else { continue }
            adapter[name] = (a, b.indices.map { Float($0) - 3 })
        }
        return adapter
    }

    @Test mutating func targetsAreChosenByTheEndOfTheirName() throws {
        #expect(try adapter(["c_attn"]).projections == ["h.0.attn.c_attn", "h.1.attn.c_attn"])
        #expect(try adapter(["mlp.c_proj"]).projections == ["h.0.mlp.c_proj", "h.1.mlp.c_proj"])
        #expect(try adapter(["c_proj"]).projections.count == 4)
        #expect(throws: LowRankAdapter.Refusal.noTarget(["q_proj"])) { try adapter(["q_proj"]) }
    }

    @Test mutating func mergingAddsTheProductAndUnmergingTakesItOff() throws {
        let store = model.initialStore(of: Float.self, using: &random), before = store.copy()
        let adapter = try adapter(["c_attn"])
        adapter.merge(into: store)
        let (a, b) = try #require(adapter["h.1.attn.c_attn"])
        for i in 0..<4 {
            for o in 0..<12 {
                let change = 1.5 * (a[i] * b[o * 2] + a[4 + i] * b[o * 2 + 1])
                #expect(abs(store["h.1.attn.c_attn.weight"][i * 12 + o] - before["h.1.attn.c_attn.weight"][i * 12 + o] - change) < 1e-4)
            }
        }
        #expect(store["h.1.mlp.c_fc.weight"].elementsEqual(before["h.1.mlp.c_fc.weight"]))
        adapter.unmerge(from: store)
        #expect(zip(store.values, before.values).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test mutating func whatIsSavedOpens() throws {
        let adapter = try adapter(["c_attn", "mlp.c_fc"])
        try adapter.save(to: directory, base: "gpt2")
        let opened = try LowRankAdapter(directory: directory, model: model)
        #expect(opened.configuration == adapter.configuration)
        #expect(opened.projections == adapter.projections)
        for name in adapter.projections {
            #expect(opened[name]?.a == adapter[name]?.a)
            #expect(opened[name]?.b == adapter[name]?.b)
        }
        let names = try TensorArchive(mapping: directory + "/adapter_model.safetensors").names
        #expect(names.contains("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"))
    }

    @Test mutating func adaptersOfOtherKindsAreRefusedByKey() throws {
        try adapter(["c_attn"]).save(to: directory, base: "gpt2")
        let file = directory + "/adapter_config.json"
        let members = try #require(JSON(file: file).object)
        for (key, value) in [("peft_type", JSON.string("IA3")), ("use_dora", .bool(true)), ("r", .integer(0)), ("bias", .string("all"))] {
            try replaceFile(at: file, with: JSON.object(members.merging([key: value]) { $1 }).text())
            #expect(throws: CheckpointError.configuration(file: file, key: key, "is \(value.text())")) { try LowRankAdapter(directory: directory, model: model) }
        }
        try replaceFile(at: file, with: JSON.object(members.merging(["r": .integer(3)]) { $1 }).text())
        #expect(throws: SafetensorsError.self) { try LowRankAdapter(directory: directory, model: model) }
    }
}
