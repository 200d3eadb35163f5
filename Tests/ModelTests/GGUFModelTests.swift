import Files
import FilesTesting
import Foundation
import GGUF
import Layers
import Statistics
import StrictJSON
import Tensors
import Testing
import Tokenization
@testable import Model

/// A tokenizer of 11 tokens for `tinyTrunks`, of which one is special and one has no word.
private let tinyTokenizer =
    #"{"added_tokens":[{"id":9,"content":"<|end|>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"#
    + #""model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"d":3,"e":4,"Ġ":5,"ab":6,"Ġab":7,"<|end|>":9},"merges":["a b","Ġ ab"]}}"#

private let fixtures = ["gpt2-tiny", "llama-tiny", "llama3-tiny", "mistral-tiny", "qwen2-tiny"]

@Suite struct GGUFModelTests {
    private let folder = Folder()

    /// Saves a trunk with its tokenizer.
    private func directory(_ trunk: any Trunk, _ name: String, tokenizer: String? = tinyTokenizer) throws -> String {
        var random = RandomSource(seed: 5)
        let store = trunk.initialStore(of: Float.self, using: &random), path = folder.path(name)
        for i in store.values.indices { store.values[i] += Float(random.uniform() - 0.5) / 8 }
        try trunk.save(store, to: path)
        if let tokenizer { try replaceFile(at: "\(path)/tokenizer.json", with: tokenizer) }
        try replaceFile(at: "\(path)/tokenizer_config.json", with: #"{"eos_token":"<|end|>","chat_template":"{{ messages }}"}"#)
        return path
    }

    private func llama(_ change: (inout LlamaConfiguration) -> Void = { _ in }) -> Llama { Llama(.tiny(change)) }

    private func logits(_ path: String, _ ids: [Int] = [1, 2, 3, 4, 1, 2, 5]) throws -> [Float] {
        let model = try TrunkModel(path: path), graph = Graph<Float>.predicting(parameters: model.parameters)
        let text = model.trunk.languageModel(batch: 1, time: ids.count, in: graph)
        text.set([ids])
        graph.forward()
        return Array(text.logits.values)
    }

    private func difference(_ a: [Float], _ b: [Float]) -> Float {
        let norm = { (x: [Float]) in x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return norm(zip(a, b).map { $0 - $1 }) / norm(b)
    }

    /// From a directory to a GGUF file, from there to a directory, and again to a GGUF file.
    private func expectRoundTrip(_ path: String, _ precision: GGUFPrecision, within tolerance: Float, _ what: String) throws {
        let first = "\(path).gguf", back = "\(path) back", second = "\(path) again.gguf"
        try TrunkFiles(path: path).save(to: first, as: .gguf(precision))
        let (ours, theirs) = (try logits(path), try logits(first))
        #expect(difference(theirs, ours) < tolerance && theirs != ours, "\(what)")
        try TrunkFiles(path: first).save(to: back, as: .safetensors)
        let own = try TrunkModel(path: first), saved = try TrunkModel(path: back)
        for parameter in own.trunk.parameters {
            #expect(saved.parameters[parameter.name].elementsEqual(own.parameters[parameter.name]), "\(what): \(parameter.name)")
        }
        #expect(difference(try logits(back), theirs) < 1e-5, "\(what)")
        try TrunkFiles(path: back).save(to: second, as: .gguf(.float16))
        #expect(difference(try logits(second), theirs) < (precision == .float16 ? 1e-5 : tolerance), "\(what)")
        #expect(try openTokenizer(path: back).encode("ab cab<|end|>") == openTokenizer(path: path).encode("ab cab<|end|>"), "\(what)")
    }

    @Test func everyFamilyComesBackFromAGGUFFile() throws {
        for (name, trunk) in tinyTrunks where !name.contains("separate head") {
            let path = try directory(trunk, name)
            try expectRoundTrip(path, .float16, within: 2e-3, name)
            let file = try GGUFFile(mapping: "\(path).gguf"), opened = try TrunkFiles(path: "\(path).gguf").trunk
            #expect(
                file.tensors.allSatisfy { $0.shape.count == 2 && !$0.name.contains("position") ? $0.type == .float16 : $0.type == .float32 }
            )
            if !name.contains("Llama 3") { #expect(opened.summary == trunk.summary, "\(name)") }
            // The factors of a context of 4 positions are those of no published scaling, so they come back as they are.
            let back = try TrunkFiles(path: "\(path) back").trunk.summary
            #expect(back == (name.contains("Llama 3") ? opened.summary : trunk.summary), "\(name)")
        }
    }

    @Test(arguments: fixtures)
    func theFixturesComeBackFromAGGUFFile(name: String) throws {
        guard SharedData.isWanted("fixtures/\(name)") else { return }
        let path = folder.path(name), source = SharedData.path("fixtures/\(name)/model")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for file in ["config.json", "model.safetensors"] {
            try FileManager.default.copyItem(atPath: "\(source)/\(file)", toPath: "\(path)/\(file)")
        }
        try replaceFile(at: "\(path)/tokenizer.json", with: tinyTokenizer)
        try expectRoundTrip(path, .float16, within: 2e-3, name)
        let lists = try TokenizerLists(GGUFFile(mapping: "\(path).gguf"))
        #expect(lists.words.count == 131 && lists.kinds[130] == .unused)
    }

    @Test func matricesOfWholeBlocksAreInEightBits() throws {
        let path = try directory(llama { ($0.width, $0.hidden, $0.isTied) = (64, 96, true) }, "wide")
        try expectRoundTrip(path, .q8_0, within: 0.02, "q8_0")
        let file = try GGUFFile(mapping: "\(path).gguf")
        #expect(file["blk.1.ffn_down.weight"]?.type == .q8_0 && file["token_embd.weight"]?.type == .q8_0)
        #expect(file["output_norm.weight"]?.type == .float32 && file.metadata["general.file_type"] == .integer(7))
        let narrow = try directory(llama(), "narrow")
        try TrunkFiles(path: narrow).save(to: "\(narrow).gguf", as: .gguf(.q8_0))
        #expect(try GGUFFile(mapping: "\(narrow).gguf")["blk.1.ffn_down.weight"]?.type == .float16)
    }

    /// The keys and tensor names that llama.cpp asks for.
    @Test func theKeysOfAFileAreThoseOfLlamaCpp() throws {
        let path = try directory(llama { ($0.family, $0.window) = (.mistral, 3) }, "mistral")
        try TrunkFiles(path: path).save(to: "\(path).gguf", as: .gguf(.float16))
        let file = try GGUFFile(mapping: "\(path).gguf")
        let expected: [String: GGUFValue] = [
            "general.architecture": .string("llama"), "general.type": .string("model"), "general.name": .string("mistral"),
            "general.file_type": .integer(1), "general.quantization_version": .integer(2), "llama.vocab_size": .integer(11),
            "llama.context_length": .integer(8), "llama.embedding_length": .integer(16), "llama.block_count": .integer(2),
            "llama.feed_forward_length": .integer(20), "llama.attention.head_count": .integer(4),
            "llama.attention.head_count_kv": .integer(2), "llama.attention.key_length": .integer(4),
            "llama.attention.value_length": .integer(4), "llama.attention.layer_norm_rms_epsilon": .number(Double(Float(1e-6))),
            "llama.rope.dimension_count": .integer(4), "llama.rope.freq_base": .number(10_000),
            "llama.attention.sliding_window": .integer(3), "tokenizer.ggml.model": .string("gpt2"), "tokenizer.ggml.pre": .string("gpt-2"),
            "tokenizer.ggml.tokens": .strings(["a", "b", "c", "d", "e", "Ġ", "ab", "Ġab", "[PAD8]", "<|end|>", "[PAD10]"]),
            "tokenizer.ggml.token_type": .integers([1, 1, 1, 1, 1, 1, 1, 1, 5, 3, 5]),
            "tokenizer.ggml.merges": .strings(["a b", "Ġ ab"]), "tokenizer.ggml.eos_token_id": .integer(9),
            "tokenizer.ggml.add_bos_token": .bool(false), "tokenizer.ggml.add_space_prefix": .bool(false),
            "tokenizer.chat_template": .string("{{ messages }}"),
        ]
        for (key, value) in expected { #expect(file.metadata[key] == value, "\(key)") }
        #expect(file.metadata.count == expected.count)
        let block = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]
        let names = (0..<2).flatMap { n in block.map { "blk.\(n).\($0).weight" } }
        #expect(Set(file.tensors.map(\.name)) == Set(names + ["token_embd.weight", "output_norm.weight", "output.weight"]))
    }

    /// Row i + j · D/2 of a head of queries is row 2i + j of the file; values stay where they are.
    @Test func queriesAndKeysLieInterleavedInTheArchitectureLlama() throws {
        let path = try directory(llama(), "llama"), qwen = try directory(llama { ($0.family, $0.hasInputBias) = (.qwen2, true) }, "qwen2")
        for (path, rows) in [(path, [0, 2, 1, 3]), (qwen, [0, 1, 2, 3])] {
            try TrunkFiles(path: path).save(to: "\(path).gguf", as: .gguf(.float16))
            let file = try GGUFFile(mapping: "\(path).gguf"), model = try TrunkModel(path: path)
            for (stored, own, order) in [("attn_q", "q_proj", rows), ("attn_k", "k_proj", rows), ("attn_v", "v_proj", [0, 1, 2, 3])] {
                let numbers = try #require(file["blk.0.\(stored).weight"]).floats()
                let expected = model.parameters["model.layers.0.self_attn.\(own).weight"]
                for (row, place) in order.enumerated() {
                    #expect(numbers[row * 16] == Float(Float16(expected[place * 16])), "\(stored) row \(row) in \(path)")
                }
            }
        }
    }

    // MARK: Rotary positions

    @Test func theScalingOfLlama3IsFoundAgainInItsFactors() throws {
        let scaling = RotaryScaling.llama3(factor: 8, low: 1, high: 4, originalPositions: 8_192)
        let plain = RotaryScaling.none.frequencies(base: 500_000, width: 128)
        let factors = zip(plain, scaling.frequencies(base: 500_000, width: 128)).map { Double(Float($0 / $1)) }
        #expect(RotaryScaling.factors(factors).published(base: 500_000) == scaling)
        var other = factors
        other[20] = 3
        #expect(RotaryScaling.factors(other).published(base: 500_000) == .factors(other))
        #expect(RotaryScaling.factors([1, 1]).published(base: 10) == .factors([1, 1]))
    }

    @Test func factorsThatNoScalingGivesComeBackFromADirectory() throws {
        let path = try directory(llama { $0.rotaryScaling = .factors([1.5, 7]) }, "factors")
        #expect(try TrunkFiles(path: path).trunk.summary.contains("factors([1.5, 7.0])"))
        try expectRoundTrip(path, .float16, within: 2e-3, "factors")
        var members = try #require(try JSON(file: "\(path)/config.json").object)
        for (key, value, sentence) in [
            ("short_factor", JSON.array([.number(1), .number(7)]), "rope_parameters.short_factor differs from long_factor"),
            ("long_factor", .array([.number(-1)]), "rope_parameters.long_factor has an element that is no positive number"),
            ("attention_factor", .number(2), "rope_parameters.attention_factor is not 1"),
        ] {
            var rope = try #require(members["rope_parameters"]?.object)
            rope[key] = value
            var changed = members
            changed["rope_parameters"] = .object(rope)
            try replaceFile(at: "\(path)/config.json", with: JSON.object(changed).text())
            expectRefusal(sentence) { try TrunkFiles(path: path) }
        }
        members["rope_parameters"] = .object(["rope_type": .string("yarn")])
        try replaceFile(at: "\(path)/config.json", with: JSON.object(members).text())
        expectRefusal("rope_parameters.rope_type is yarn") { try TrunkFiles(path: path) }
    }

    // MARK: Tokenizers

    @Test func aDirectoryMadeOfAGGUFFileHasItsTokenizer() throws {
        let path = try directory(llama { $0.isTied = true }, "llama"), file = "\(path).gguf", back = "\(path) back"
        try TrunkFiles(path: path).save(to: file, as: .gguf(.float16))
        let model = try TrunkModel(path: file)
        // What was trained from a GGUF file is saved like this.
        try model.trunk.save(model.parameters, to: back, origin: file)
        let names = try FileManager.default.contentsOfDirectory(atPath: back).sorted()
        #expect(
            names == ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
        #expect(try JSON(file: "\(back)/generation_config.json") == .object(["eos_token_id": .integer(9)]))
        #expect(try JSON(file: "\(back)/config.json")["eos_token_id"] == .integer(9))
        #expect(try JSON(file: "\(back)/tokenizer_config.json")["chat_template"] == .string("{{ messages }}"))
        let tokenizer = try openTokenizer(path: back)
        #expect(tokenizer.encode("ab abc<|end|>") == [6, 7, 2, 9] && tokenizer.endOfText == 9)
    }

    @Test func theKeysOfATokenizerAreCopiedFromFileToFile() throws {
        let path = try directory(llama(), "llama"), file = "\(path).gguf", copy = folder.path("copy.gguf")
        try TrunkFiles(path: path).save(to: file, as: .gguf(.float16))
        try rewrite(file) { metadata, _ in
            metadata["tokenizer.ggml.mask_token_id"] = .integer(3)
            metadata["general.license"] = .string("apache-2.0")
        }
        try TrunkFiles(path: file).save(to: copy, as: .gguf(.q8_0))
        var expected = try GGUFFile(mapping: file).metadata
        expected["general.file_type"] = .integer(7)
        #expect(try GGUFFile(mapping: copy).metadata == expected)
    }

    @Test func aModelWithoutAFittingTokenizerIsNotWritten() throws {
        let none = try directory(llama(), "none", tokenizer: nil), output = folder.path("out.gguf")
        expectRefusal("none/tokenizer.json cannot be read: it is missing") {
            try TrunkFiles(path: none).save(to: output, as: .gguf(.float16))
        }
        let small = try directory(llama { $0.vocabularySize = 9 }, "small")
        expectRefusal("small: the tokenizer has 10 tokens for a model of 9") {
            try TrunkFiles(path: small).save(to: output, as: .gguf(.float16))
        }
        let model = try TrunkModel(path: none)
        expectRefusal("it needs the tokenizer of the model's directory") {
            try model.trunk.save(model.parameters, to: output, as: .gguf(.float16))
        }
        let separate: any Trunk = tinyTrunks[1].value, relu = try directory(separate, "relu")
        expectRefusal("activation_function is relu") { try TrunkFiles(path: relu).save(to: output, as: .gguf(.float16)) }
        #expect(!FileManager.default.fileExists(atPath: output))
    }

    // MARK: Files that are not valid

    /// Writes a GGUF file again with other metadata or tensors.
    private func rewrite(
        _ path: String, _ change: (inout [String: GGUFValue], inout [GGUFContent]) throws -> Void
    ) throws {
        let file = try GGUFFile(mapping: path)
        var metadata = file.metadata
        var tensors = file.tensors.map { tensor in
            GGUFContent(tensor.name, tensor.type, tensor.shape) { try tensor.copy(into: $0) }
        }
        try change(&metadata, &tensors)
        try GGUFFile.write(metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, tensors, to: path)
    }

    private func expectRefusal<Result>(_ sentence: String, _ body: () throws -> Result) {
        do {
            _ = try body()
            Issue.record("was not refused: \(sentence)")
        } catch { #expect("\(error)".contains(sentence), "\(error)") }
    }

    private func saved(_ trunk: any Trunk, _ name: String) throws -> String {
        let path = try directory(trunk, name)
        try TrunkFiles(path: path).save(to: "\(path).gguf", as: .gguf(.float16))
        return "\(path).gguf"
    }

    @Test func whatAFileSaysIsCheckedAgainstItsTensors() throws {
        let original = try saved(llama { $0.isTied = true }, "llama"), path = folder.path("changed.gguf")
        func expect(
            _ sentence: String, _ change: (inout [String: GGUFValue], inout [GGUFContent]) throws -> Void
        ) throws {
            try? FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: original, toPath: path)
            try rewrite(path, change)
            expectRefusal(sentence) {
                _ = try TrunkModel(path: path)
                _ = try openTokenizer(path: path)
            }
        }
        let zeros = { (buffer: UnsafeMutableBufferPointer<Float>) in buffer.update(repeating: 0) }
        try expect("holds blk.0.ffn_gate_exps.weight, which this model does not have") {
            $1.append(GGUFContent("blk.0.ffn_gate_exps.weight", .float16, [2, 2], fill: zeros))
        }
        try expect("there is no tensor \"blk.1.attn_q.weight\"") {
            $1.removeAll { $0.name == "blk.1.attn_q.weight" }; $1.append(GGUFContent("x", .float32, [1], fill: zeros))
        }
        try expect("tensor \"blk.0.attn_norm.weight\" has shape [17], expected [16]") {
            $1.removeAll { $0.name == "blk.0.attn_norm.weight" }
            $1.append(GGUFContent("blk.0.attn_norm.weight", .float32, [17], fill: zeros))
        }
        try expect("llama.block_count is 3, but there are only 20 tensors") { metadata, _ in metadata["llama.block_count"] = .integer(3) }
        try expect("llama.block_count is missing") { metadata, _ in metadata["llama.block_count"] = nil }
        try expect("llama.context_length is not an integer") { metadata, _ in metadata["llama.context_length"] = .string("8") }
        try expect("num_attention_heads is 0") { metadata, _ in metadata["llama.attention.head_count"] = .integer(0) }
        try expect("llama.attention.value_length is 2; only that of keys, 4") { metadata, _ in
            metadata["llama.attention.value_length"] = .integer(2)
        }
        try expect("llama.rope.dimension_count is 2; only the head width, 4") { metadata, _ in
            metadata["llama.rope.dimension_count"] = .integer(2)
        }
        try expect("llama.rope.scaling.type is yarn; known are none, linear") { metadata, _ in
            metadata["llama.rope.scaling.type"] = .string("yarn")
        }
        try expect("rope_freqs.weight has no positive factor for every pair") {
            $1.append(GGUFContent("rope_freqs.weight", .float32, [2], fill: zeros))
        }
        try expect("general.architecture is bert; known are gpt2, llama, qwen2") { metadata, _ in
            metadata["general.architecture"] = .string("bert")
        }
        try expect("general.architecture is missing") { metadata, _ in metadata["general.architecture"] = nil }
        try expect("tokenizer.ggml.tokens has 2 words for the 11 rows of token_embd.weight") { metadata, _ in
            metadata["tokenizer.ggml.tokens"] = .strings(["a", "b"])
        }
        try expect("tokenizer.ggml.tokens has \"b\" twice, the second time as 2") { metadata, _ in
            metadata["tokenizer.ggml.tokens"] = .strings(["a", "b", "b", "", "", "f", "g", "h", "i", "j", "k"])
        }
        try expect("tokenizer.ggml.eos_token_id is 11 of 11 words") { metadata, _ in metadata["tokenizer.ggml.eos_token_id"] = .integer(11)
        }
        try expect("tokenizer.ggml.pre is bloom, which is not known") { metadata, _ in metadata["tokenizer.ggml.pre"] = .string("bloom") }
        try expect("tokenizer.ggml.model is llama; only gpt2") { metadata, _ in metadata["tokenizer.ggml.model"] = .string("llama") }
    }

    @Test func aSecondCopyOfATiedHeadIsNoOtherHead() throws {
        let path = try saved(llama { $0.isTied = true }, "llama"), before = try logits(path)
        let table = try #require(try GGUFFile(mapping: path)["token_embd.weight"])
        try rewrite(path) { $1.append(GGUFContent("output.weight", .float16, table.shape) { try table.copy(into: $0) }) }
        #expect(try TrunkFiles(path: path).trunk.summary.contains("isTied: true") && logits(path) == before)
        try rewrite(path) { _, tensors in
            tensors.removeAll { $0.name == "output.weight" }
            tensors.append(GGUFContent("output.weight", .float16, table.shape) { $0.update(repeating: 0) })
        }
        #expect(try TrunkFiles(path: path).trunk.summary.contains("isTied: false"))
        #expect(try logits(path).allSatisfy { $0 == 0 })
    }

    @Test func aNumberThatIsNotFiniteIsRefusedByItsTensorsName() throws {
        let path = try saved(llama { ($0.width, $0.hidden) = (32, 32) }, "llama")
        let place = try #require(try GGUFFile(mapping: path)["blk.1.ffn_up.weight"])
        var data = try Data(contentsOf: URL(filePath: path))
        let bytes = place.withUnsafeBytes { Data($0) }
        let range = try #require(data.range(of: bytes))
        data[range.lowerBound] = 0
        data[range.lowerBound + 1] = 0x7C
        try data.write(to: URL(filePath: path))
        expectRefusal("tensor \"blk.1.ffn_up.weight\" is not finite at element 0") { try TrunkModel(path: path) }
        expectRefusal("tensor \"blk.1.ffn_up.weight\" is not finite at element 0") { try TrunkModel(path: path, storage: .stored) }
        expectRefusal("tensor \"blk.1.ffn_up.weight\" is not finite at element 0") {
            try TrunkFiles(path: path).save(to: folder.path("out.gguf"), as: .gguf(.q8_0))
        }
    }

    @Test func storedWeightsOfGPT2ComputeTheSame() throws {
        let gpt2: any Trunk = tinyTrunks[0].value, path = try saved(gpt2, "gpt2")
        let stored = try TrunkModel(path: path, storage: .stored)
        #expect(stored.parameters.frozen.count == 9)
        let graph = Graph<Float>.predicting(parameters: stored.parameters)
        let text = stored.trunk.languageModel(batch: 1, time: 7, in: graph)
        text.set([[1, 2, 3, 4, 1, 2, 5]])
        graph.forward()
        #expect(try difference(Array(text.logits.values), logits(path)) < 1e-5)
    }
}

private let smollm2 = ModelFile.smolLM2

/// The tokenizer of a published model, with digits split.
@Suite(
    .enabled(
        if: ModelFile.isWanted(smollm2) && SharedData.isWanted("fixtures/smollm2"),
        "models/smollm2-135m-instruct.gguf (deploy/models smollm2) or ../shared/fixtures/smollm2 is absent"))
struct PublishedTokenizerTests {
    private struct Case: Decodable {
        var text: String
        var ids: [Int]
    }

    @Test func aDirectorysTokenizerGivesTheIdsOfTheFileItIsMadeOf() throws {
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(contentsOf: URL(filePath: SharedData.path("fixtures/smollm2/tokenizer.json"))))
        let folder = Folder(), lists = try TokenizerLists(GGUFFile(mapping: smollm2))
        for (name, text) in lists.files(positions: 8_192) { try replaceFile(at: folder.path(name), with: text) }
        let tokenizer = try openTokenizer(directory: folder.path)
        #expect(cases.count > 20 && tokenizer.vocabularySize == 49_152 && tokenizer.endOfText == 2)
        for test in cases { #expect(tokenizer.encode(test.text) == test.ids, "\(test.text.debugDescription)") }
        #expect(try TokenizerLists(directory: folder.path) == lists)
    }
}
