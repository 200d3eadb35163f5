import Foundation
import Model
import Statistics
import Tokenization

/// A pretrained trunk: `model.trunk` names its directory or file, and settings that are not given follow from it.
extension GraphSettings {
    /// Sets the model's sizes, its tokenizer and turns, and what learns, where they are not given.
    /// - Parameter isSet: whether a key was given.
    /// - Throws: the error of reading the files.
    mutating func followTrunk(unless isSet: (String) -> Bool) throws {
        guard model.isPretrained else { return }
        let files = try TrunkFiles(path: model.trunk)
        model.follow(files) { isSet("model.\($0)") }
        if !isSet("signals.text.tokenizer") { signals.text.tokenizer = model.trunk }
        model.text.turns = try TurnTokens(
            path: model.trunk, tokenizer: openTokenizer(path: model.trunk), vocabularySize: files.trunk.vocabularySize)
        if !isSet("learner.trunk") { learner.trunk = "adapters" }
        let isFrozen = ["adapters", "frozen"].contains(learner.trunk)
        if !isSet("model.adapterRank"), learner.trunk == "adapters" { model.adapterRank = Self.usualRank }
        if !isSet("model.text.length") { model.text.length = min(Self.usualLength, files.trunk.positions - model.prefixLength) }
        if !isSet("learner.replayed") { learner.replayed = Self.usualReplay }
        if !isSet("learner.languageRows") { learner.languageRows = Self.usualLanguageRows }
        if !isSet("evaluate.masksWords") { evaluate.masksWords = false }
        if !isSet("model.storage"), isFrozen { model.storage = (files.isGGUF ? WeightStorage.stored : .int8).rawValue }
    }

    /// The rank of adapters if none is given.
    private static let usualRank = 8
    /// The length of texts if none is given: recalled answers, the question and its answer.
    private static let usualLength = 128
    /// The replayed moments and the rows of language of a step if none are given: a pretrained trunk costs far more than the senses.
    private static let usualReplay = 7, usualLanguageRows = 2

    /// Settings that contradict the pretrained trunk, by key.
    var problemsWithTrunk: [SettingsError] {
        guard model.isPretrained else {
            return learner.trunk == "adapters" ? [SettingsError("learner.trunk", "'adapters' want a pretrained model.trunk")] : []
        }
        var found: [SettingsError] = []
        do {
            let trunk = try TrunkFiles(path: model.trunk).trunk
            found += [model.problem(with: trunk)].compactMap(\.self).inSection("model")
            _ = try TurnTokens(path: model.trunk, tokenizer: openTokenizer(path: model.trunk), vocabularySize: trunk.vocabularySize)
        } catch {
            found.append(SettingsError("model.trunk", "\(error)"))
        }
        if learner.trunk == "adapters", model.adapterRank == 0 {
            found.append(SettingsError("model.adapterRank", "is 0, but learner.trunk says that adapters learn"))
        }
        if learner.trunk != "adapters", learner.trunk != "frozen", model.storage != WeightStorage.float32.rawValue {
            found.append(
                SettingsError("model.storage", "is \(model.storage), but matrices of the trunk learn, which float32 alone can"))
        }
        if decide.isOn, decide.text {
            found.append(SettingsError("decide.text", "learns to write with a trunk of our own, not with a pretrained model.trunk"))
        }
        return found
    }
}

/// A trunk of our own that starts from a GPT-2: `model.gpt2` names its directory, and settings that are not given follow from its files.
extension GraphSettings {
    /// Sets the model's size, vocabulary and tokenizer from the GPT-2, where they are not given.
    /// - Parameter isSet: whether a key was given.
    /// - Throws: the error of reading the directory.
    mutating func followGPT2(unless isSet: (String) -> Bool) throws {
        guard !model.gpt2.isEmpty else { return }
        let gpt2 = try GPT2Configuration(json: "\(model.gpt2)/config.json")
        if !isSet("model.width") { model.width = gpt2.width }
        if !isSet("model.layers") { model.layers = gpt2.layers }
        if !isSet("model.heads") { model.heads = gpt2.heads }
        if !isSet("model.text.vocabulary") { model.text.vocabulary = gpt2.vocabularySize }
        let hasTokenizer = ["tokenizer.json", "vocab.json"].contains { FileManager.default.fileExists(atPath: "\(model.gpt2)/\($0)") }
        if hasTokenizer, !isSet("signals.text.tokenizer") { signals.text.tokenizer = model.gpt2 }
    }

    /// Settings that contradict the GPT-2, by key.
    var problemsWithGPT2: [SettingsError] {
        guard !model.gpt2.isEmpty else { return [] }
        do {
            let gpt2 = try GPT2Configuration(json: "\(model.gpt2)/config.json")
            return [model.problem(with: gpt2)].compactMap(\.self).inSection("model")
        } catch {
            return [SettingsError("model.gpt2", "\(error)")]
        }
    }
}
