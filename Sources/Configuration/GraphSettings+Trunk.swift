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
        if model.trunk.isEmpty { (model.trunk, model.gpt2) = (model.gpt2, "") }
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
        if !isSet("learn.rememberedTokens") { learn.rememberedTokens = LearnSettings.mostRememberedTokens }
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
