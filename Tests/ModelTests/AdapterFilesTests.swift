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
        adapters.initialize(in: store, using: &random)
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
        try adapters.save(store, of: model, to: directory, base: "gpt2")
        let opened = try Adapters.open(directory: directory, for: model)
        #expect(opened.adapters.projections == projections(store) && opened.adapters.scale(of: "h.0.attn.c_attn") == 1.5)
        #expect(opened.parameters.layout == store.layout)
        #expect(opened.parameters.values.elementsEqual(store.values))
        let names = try TensorArchive(mapping: directory + "/adapter_model.safetensors").names
        #expect(names.contains("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"))
    }

    @Test mutating func adaptersOfOtherKindsAreRefusedByKey() throws {
        let (adapters, store) = adapted(["c_attn"])
        try adapters.save(store, of: model, to: directory, base: "gpt2")
        let file = directory + "/adapter_config.json"
        let members = try #require(JSON(file: file).object)
        let refused: [(String, JSON)] = [
            ("peft_type", .string("IA3")), ("use_dora", .bool(true)), ("r", .integer(0)), ("bias", .string("all")),
            ("init_lora_weights", .string("pissa")),
            ("init_lora_weights", .string("pissa_niter_4")), ("init_lora_weights", .string("olora")),
            ("init_lora_weights", .string("loftq")),
            ("init_lora_weights", .string("corda")), ("init_lora_weights", .string("lora_ga")), ("init_lora_weights", .string("something")),
            ("alora_invocation_tokens", .array([.integer(1)])), ("lora_bias", .bool(true)),
            ("trainable_token_indices", .array([.integer(1)])),
            ("modules_to_save", .array([.string("ln_f")])), ("target_parameters", .array([.string("mlp.c_fc.weight")])),
            ("use_qalora", .bool(true)),
            ("layer_replication", .array([.array([.integer(0), .integer(1)])])), ("arrow_config", .object(["top_k": .integer(1)])),
            ("a_key_of_next_year", .bool(true)), ("use_rslora", .string("yes")), ("layers_pattern", .string("h")),
            ("exclude_modules", .integer(1)),
            ("rank_pattern", .array([.integer(1)])), ("alpha_pattern", .object(["c_attn": .string("1")])), ("lora_alpha", .null),
        ]
        for (key, value) in refused {
            try replaceFile(at: file, with: JSON.object(members.merging([key: value]) { $1 }).text())
            #expect(throws: CheckpointError.configuration(file: file, key: key, "is \(value.text())")) {
                try Adapters.open(directory: directory, for: model)
            }
        }
        // Members that switch a feature off are ignored.
        try replaceFile(
            at: file,
            with: JSON.object(
                members.merging([
                    "a_key_of_next_year": .bool(false), "another": .null, "modules_to_save": .array([]),
                    "init_lora_weights": .string("gaussian"),
                    "exclude_modules": .null, "layers_to_transform": .null, "rank_pattern": .object([:]), "fan_in_fan_out": .bool(false),
                    "bias": .null,
                ]) { $1 }
            ).text())
        let unused = try Adapters.open(directory: directory, for: model).parameters
        #expect(unused.values.elementsEqual(store.values))
        try replaceFile(at: file, with: JSON.object(members.merging(["r": .integer(3)]) { $1 }).text())
        #expect(throws: SafetensorsError.self) { try Adapters.open(directory: directory, for: model) }
        try replaceFile(at: file, with: JSON.object(members.merging(["target_modules": .array([.string("q_proj")])]) { $1 }).text())
        #expect(throws: CheckpointError.configuration(file: file, key: "target_modules", "names q_proj, which this model does not have")) {
            try Adapters.open(directory: directory, for: model)
        }
        for (targets, name) in [
            (JSON.array([.string("c_attn"), .string("wte")]), "wte"), (.string(".*"), "wte"),
            (.array([.string("c_attn"), .string("lm_head")]), "lm_head"),
        ] {
            try replaceFile(at: file, with: JSON.object(members.merging(["target_modules": targets]) { $1 }).text())
            #expect(
                throws: CheckpointError.configuration(
                    file: file, key: "target_modules", "names \(name); only projections of the blocks can be adapted")
            ) {
                try Adapters.open(directory: directory, for: model)
            }
        }
    }

    private static let half = 3 / 2.0.squareRoot()

    /// Members of the file, in addition to rank 2 and alpha 3, and the projections with the scales that PEFT gives them.
    private static let understood: [(members: String, scales: [String: Double])] = [
        (
            #"{"target_modules": ["transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj"]}"#,
            ["h.0.attn.c_attn": 1.5, "h.1.mlp.c_proj": 1.5]
        ),
        (#"{"target_modules": "transformer\\.h\\.1\\.(attn|mlp)\\.c_proj"}"#, ["h.1.attn.c_proj": 1.5, "h.1.mlp.c_proj": 1.5]),
        (#"{"target_modules": ["c_proj"], "exclude_modules": ["mlp.c_proj"]}"#, ["h.0.attn.c_proj": 1.5, "h.1.attn.c_proj": 1.5]),
        (#"{"target_modules": ["c_attn", "c_fc"], "exclude_modules": ".*h\\.0\\..*"}"#, ["h.1.attn.c_attn": 1.5, "h.1.mlp.c_fc": 1.5]),
        (#"{"target_modules": ["c_attn"], "layers_to_transform": 1}"#, ["h.1.attn.c_attn": 1.5]),
        (#"{"target_modules": ["c_attn"], "layers_to_transform": [0], "layers_pattern": ["layers", "h"]}"#, ["h.0.attn.c_attn": 1.5]),
        (#"{"target_modules": ["c_attn"], "use_rslora": true}"#, ["h.0.attn.c_attn": half, "h.1.attn.c_attn": half]),
        (#"{"target_modules": ["c_attn"], "alpha_pattern": {"h.1.attn.c_attn": 5}}"#, ["h.0.attn.c_attn": 1.5, "h.1.attn.c_attn": 2.5]),
        (#"{"target_modules": ["c_attn"], "rank_pattern": {"^transformer.h.0.*": 1}}"#, ["h.0.attn.c_attn": 3, "h.1.attn.c_attn": 1.5]),
        (#"{"target_modules": null}"#, ["h.0.attn.c_attn": 1.5, "h.1.attn.c_attn": 1.5]),
    ]

    @Test(arguments: understood)
    mutating func whatPEFTAdaptsIsAdaptedByAsMuch(members: String, scales: [String: Double]) throws {
        let given = try #require(try JSON(parsing: members.utf8).object)
        var adapters = Adapters(rank: 2, alpha: 3, projections: scales.keys.sorted())
        for (pattern, rank) in given["rank_pattern"]?.object ?? [:] where pattern.contains("h.0") {
            adapters.ranks["h.0.attn.c_attn"] = rank.integer
        }
        let store = ParameterStore<Float>(
            ParameterLayout(GPT2(model.configuration, adapters: adapters).parameters.filter(Adapters.contains)))
        adapters.initialize(in: store, using: &random)
        try adapters.save(store, of: model, to: directory, base: "gpt2")
        let file = directory + "/adapter_config.json"
        let saved = try #require(JSON(file: file).object).merging(["rank_pattern": .object([:])]) { $1 }
        try replaceFile(at: file, with: JSON.object(saved.merging(given) { $1 }).text())
        let opened = try Adapters.open(directory: directory, for: model)
        #expect(Dictionary(uniqueKeysWithValues: projections(opened.parameters).map { ($0, opened.adapters.scale(of: $0)) }) == scales)
        #expect(opened.parameters.values.elementsEqual(store.values))
        // Saved and opened again, they are the same.
        try opened.adapters.save(opened.parameters, of: model, to: directory, base: "gpt2")
        #expect(try Adapters.open(directory: directory, for: model).adapters == opened.adapters)
    }

    @Test func allLinearAndTheNamesOfABareModelAreUnderstood() throws {
        for (targets, prefix) in [
            (JSON.string("all-linear"), "transformer."), (.array([.string("c_attn"), .string("c_fc"), .string("c_proj")]), ""),
        ] {
            let adapters = Adapters(rank: 2, alpha: 3, projections: ["c_attn", "c_fc", "c_proj"])
            let store = ParameterStore<Float>(
                ParameterLayout(GPT2(model.configuration, adapters: adapters).parameters.filter(Adapters.contains)))
            try adapters.save(store, of: model, to: directory, base: "gpt2")
            let file = directory + "/adapter_config.json"
            try replaceFile(
                at: file, with: JSON.object(try #require(JSON(file: file).object).merging(["target_modules": targets]) { $1 }).text())
            let path = directory + "/adapter_model.safetensors"
            let tensors = try TensorArchive(mapping: path).tensors.map {
                TensorContent($0.renamed($0.name.replacing("model.transformer.", with: "model." + prefix)))
            }
            try TensorArchive.write(tensors, to: path)
            #expect(try projections(Adapters.open(directory: directory, for: model).parameters).count == 8)
        }
    }

    @Test mutating func ranksAndScalesOfSingleProjectionsHoldInTheGraphAndWhenMerged() throws {
        var adapters = Adapters(rank: 2, alpha: 3, projections: ["c_attn", "mlp.c_fc"])
        adapters.ranks = ["h.0.attn.c_attn": 1, "h.1.mlp.c_fc": 3]
        adapters.alphas = ["h.0.mlp.c_fc": 0.5]
        adapters.isRankStabilized = true
        let separate = GPT2(model.configuration, adapters: adapters)
        let store = separate.initialStore(of: Float.self, using: &random)
        for i in store.values.indices { store.values[i] = Float(random.uniform() - 0.5) }
        func loss(_ model: GPT2, _ store: ParameterStore<Float>) -> Float {
            let graph = Graph<Float>.predicting(parameters: store)
            let text = model.languageModel(batch: 1, time: 6, in: graph)
            text.set([1, 2, 3, 4, 5, 6, 7], at: 0)
            graph.forward()
            return text.loss.value
        }
        let before = loss(separate, store)
        adapters.merge(in: store)
        let plain = ParameterStore<Float>(model.layout)
        for parameter in plain.layout.parameters { _ = plain[parameter.name].update(fromContentsOf: store[parameter.name]) }
        #expect(abs(loss(model, plain) - before) < 1e-5)
    }
}
