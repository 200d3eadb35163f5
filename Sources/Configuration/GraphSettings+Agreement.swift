import Learning
import Model
import Schema
import Signals
import Statistics
import Wiring

/// Settings that contradict each other, though each is valid by itself.
extension GraphSettings {
    var agreementProblems: [SettingsError] {
        senseProblems + wordsProblems + localProblems + alignmentProblems + triggerProblems + pathProblems + otherProblems
            + privateProblems
    }

    private var wordsProblems: [SettingsError] {
        mode == .lockstep && signals.audio.transcribes ? [SignalConfiguration.wordsAreLive] : []
    }

    /// What may not leave this machine, where the learner's endpoints do.
    private var localProblems: [SettingsError] {
        guard privacy.local, !endpoints.learnStaysHere else { return [] }
        return [
            SettingsError(
                "privacy.local",
                "the model learns from what may not leave this machine, and an endpoint of endpoints.learn or endpoints.updates does; use "
                    + "127.0.0.1 or local:NAME, or set privacy.local to false")
        ]
    }

    /// Senses of the model that do not fit the extractors' features.
    private var senseProblems: [SettingsError] {
        var found: [SettingsError] = []
        let names = Signals.modalities.map(\.key).filter { $0 != MultimodalConfiguration.textName }
        for sense in model.senses {
            if sense.name == ModelSenses.sentence, !fuse.sentence.isEmpty { continue }
            guard names.contains(sense.name) else {
                found.append(
                    SettingsError(
                        "model.senses",
                        "nothing extracts '\(sense.name.prefix(80))'; there are \(names.joined(separator: ", "))"
                            + " and, where fuse.sentence is set, \(ModelSenses.sentence)"))
                continue
            }
            if let problem = problem(of: sense) { found.append(SettingsError("model.senses", problem)) }
        }
        let bytes = ByteVocabulary.size
        if signals.text.tokenizer.isEmpty, model.text.vocabulary < bytes {
            found.append(SettingsError("model.text.vocabulary", "is \(model.text.vocabulary), but bytes and the end of text are \(bytes)"))
        }
        return found
    }

    private func problem(of sense: MultimodalConfiguration.Sense) -> String? {
        // Invalid settings have been reported already and give no shape.
        guard let shape = Signals.modalities[sense.name]?.shape(in: signals) else { return nil }
        guard sense.columns != shape.columns || sense.rows < shape.rows ?? 0 else { return nil }
        guard let rows = shape.rows else {
            return "\(sense.name) has \(sense.columns) columns, but signals.\(shape.settings) makes \(shape.columns)"
        }
        let made = "signals.\(shape.settings) makes rows: \(rows), columns: \(shape.columns)"
        return "\(sense.name) is \(sense.rows) × \(sense.columns), but \(made)"
    }

    /// Rules for modalities that the model does not have, and a pretrained encoder whose features no sense takes.
    private var alignmentProblems: [SettingsError] {
        var found: [SettingsError] = []
        if !fuse.sentence.isEmpty, !model.senses.contains(where: { $0.name == ModelSenses.sentence && $0.rows == 1 }) {
            found.append(SettingsError("fuse.sentence", "wants a sense among model.senses: {name: sentence, rows: 1, columns: …}"))
        }
        for (index, rule) in fuse.alignment.enumerated() {
            if rule.policy == "interpolated", Signals.modalities[rule.modality]?.interpolates == false {
                found.append(SettingsError("fuse.alignment", "\(rule.modality): its readings cannot be interpolated"))
            }
            if !model.modalities.contains(rule.modality) {
                found.append(SettingsError("fuse.alignment", "the model has no sense '\(rule.modality)'"))
            }
            if fuse.alignment[..<index].contains(where: { $0.modality == rule.modality }) {
                found.append(SettingsError("fuse.alignment", "two rules are for '\(rule.modality)'"))
            }
        }
        return found
    }

    /// Rules whose signal no stage provides.
    private var triggerProblems: [SettingsError] {
        let known = ["loss", "error", "anchor_loss", "loss_over_frozen", "join_rate"] + model.modalities.map { "shift.\($0)" }
        return learn.triggers.filter { !known.contains($0.signal) }.map { rule in
            SettingsError(
                "learn.triggers",
                "rule '\(rule.name)' uses the signal '\(rule.signal.prefix(80))', which does not exist; there are "
                    + known.joined(separator: ", ")
            )
        }
    }

    private var pathProblems: [SettingsError] {
        let paths = [
            ("learn.directory", learn.directory), ("endpoints.runtime", endpoints.runtime),
            ("signals.text.tokenizer", signals.text.tokenizer),
            ("model.gpt2", model.gpt2), ("model.trunk", model.trunk), ("fuse.sentence", fuse.sentence),
        ]
        return paths.compactMap { key, path in
            if path.hasPrefix("~") {
                return SettingsError(key, "'\(path.prefix(120))' begins with ~, which nothing expands; write the whole path")
            }
            if path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return SettingsError(key, "the path has control characters") }
            return path.utf8.count > 4096 ? SettingsError(key, "a path of \(path.utf8.count) bytes is longer than any: 4096") : nil
        }
    }

    private var otherProblems: [SettingsError] {
        var found: [SettingsError] = []
        if decide.isOn, !decide.text, decide.observation == "vector", !model.modalities.contains(VectorModality.name) {
            found.append(SettingsError("decide.observation", "vector wants a sense 'vector' among model.senses"))
        }
        if decide.isOn, !decide.text, decide.observation == "vector", decide.inputs > signals.vector.length {
            found.append(
                SettingsError("decide.inputs", "\(decide.inputs) are more than signals.vector.length makes: \(signals.vector.length)"))
        }
        if learner.trunk.hasPrefix("last:"), let blocks = Int(learner.trunk.dropFirst(5)), blocks > model.layers {
            found.append(SettingsError("learner.trunk", "'\(learner.trunk)' are more blocks than model.layers has: \(model.layers)"))
        }
        if learn.influenceEvery > 0, let mix = try? StrategyMix(named: learner.strategy, settings: learner.strategySettings),
            !mix.isExplainable
        {
            found.append(
                SettingsError(
                    "learn.influenceEvery",
                    "'\(learner.strategy.prefix(80))' does more in a step than can be made again, so no version would be explained; "
                        + "there are er, always, heads, trunk, never"))
        }
        if mode == .lockstep, learn.updates.coding.isLossy {
            found.append(
                SettingsError(
                    "learn.updates.coding",
                    "\(learn.updates.coding.rawValue) leaves something out, and a lockstep run that goes on would predict other than one that "
                        + "was not interrupted; choose whole or exact"))
        }
        if mode == .lockstep, learn.updates.canaryShare > 0 {
            found.append(SettingsError("learn.updates.canaryShare", "versions are tried first by some in live mode only"))
        }
        if learn.updates.pieceBytes > messaging.frameBytes {
            found.append(SettingsError("learn.updates.pieceBytes", "\(learn.updates.pieceBytes) are more than messaging.frameBytes"))
        }
        if mode == .lockstep, fuse.maximumPending < lockstep.window {
            found.append(
                SettingsError(
                    "fuse.maximumPending",
                    "\(fuse.maximumPending) is below lockstep.window \(lockstep.window): moments on their way would be refused"))
        }
        return found
    }
}

/// The vocabulary of texts as bytes: 256 bytes and the token that ends a text.
private enum ByteVocabulary {
    static let size = 257
}
