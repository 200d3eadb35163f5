import Foundation
import Glibc
import Messaging
import Model
import Pipeline
import Statistics
import Tokenization
import Wiring

extension ConfigurationReader<GraphSettings>.Reading {
    /// The endpoints that cannot be used on this host: malformed, with too long a path, or with a port or socket in use by another process.
    public func unreachable(environment: [String: String]) -> [ConfigurationError.Problem] {
        var found: [ConfigurationError.Problem] = []
        for (key, list) in settings.endpoints.lists {
            for modality in key == "extract" ? settings.extracted : [""] {
                for text in settings.endpoints.resolved(list, modality: modality, environment: environment) {
                    guard let reason = reason(text) else { continue }
                    let problem = ConfigurationError.Problem(
                        origin: origin(of: "endpoints.\(key)"), SettingsError("endpoints.\(key)", "\(text) \(reason)"))
                    if !found.contains(problem) { found.append(problem) }
                }
            }
        }
        return found
    }

    private func reason(_ text: String) -> String? {
        do {
            let endpoint = try Endpoint(text)
            let publisher = try ZeroMQBus().publisher(.bind, [endpoint])
            publisher.close()
            return nil
        } catch {
            return "cannot be bound: \(error)"
        }
    }

    /// Files that the settings name and that are missing or do not fit: a tokenizer, a pretrained encoder, a writable directory.
    public func lacking() -> [ConfigurationError.Problem] {
        let found = [tokenizerProblem, sentenceProblem, directoryProblem].compactMap(\.self)
        return found.map { .init(origin: origin(of: $0.key), $0) }
    }

    private var tokenizerProblem: SettingsError? {
        let directory = settings.signals.text.tokenizer
        guard !directory.isEmpty else { return nil }
        do {
            let size = try openTokenizer(path: directory).vocabularySize
            guard size > settings.model.text.vocabulary else { return nil }
            return SettingsError(
                "model.text.vocabulary", "is \(settings.model.text.vocabulary), but the tokenizer of \(directory) makes \(size) tokens")
        } catch {
            return SettingsError("signals.text.tokenizer", "\(error)")
        }
    }

    private var sentenceProblem: SettingsError? {
        let directory = settings.fuse.sentence
        guard !directory.isEmpty else { return nil }
        do {
            let width = try BERTConfiguration(json: "\(directory)/config.json").width
            guard let sense = settings.model.senses.first(where: { $0.name == ModelSenses.sentence }), sense.columns != width else {
                return nil
            }
            return SettingsError("model.senses", "sentence has \(sense.columns) columns, but the encoder of \(directory) makes \(width)")
        } catch {
            return SettingsError("fuse.sentence", "\(error)")
        }
    }

    /// The checkpoint directory can be created where a directory can be created in its nearest existing parent.
    private var directoryProblem: SettingsError? {
        guard !settings.learn.directory.isEmpty else { return nil }
        var place = URL(fileURLWithPath: settings.learn.directory).standardizedFileURL.path
        var status = stat()
        while stat(place, &status) != 0 {
            guard errno == ENOENT || errno == ENOTDIR, place != "/" else {
                return SettingsError("learn.directory", "\(place): \(String(cString: strerror(errno)))")
            }
            place = URL(fileURLWithPath: place).deletingLastPathComponent().path
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return SettingsError("learn.directory", "\(place) is no directory") }
        var name = Array("\(place)/.accrete-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else {
            return SettingsError("learn.directory", "nothing can be made in \(place): \(String(cString: strerror(errno)))")
        }
        rmdir(name)
        return nil
    }
}
