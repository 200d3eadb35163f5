import Foundation
import Model
import Statistics

/// Starting from a GPT-2: `model.gpt2` names its directory, and settings that are not given follow from its files.
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
