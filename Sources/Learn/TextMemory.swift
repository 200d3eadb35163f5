import Files
import Foundation
import Memory
import Model
import Pipeline
import Safetensors
import Statistics

/// The texts that came, as answers recall them: their tokens, and how far these are to be trusted beside the model.
struct TextMemory {
    /// Nil where no texts are remembered.
    private(set) var memory: TokenMemory?
    /// Whether it changed since it was last published, and when that was.
    private var isNew = false, published = Instant(nanoseconds: .min)
    /// (V): the logits of one token.
    private var logits: [Float]

    private static let file = "texts.memory"
    /// Live mode: the shortest time between two messages with all texts.
    private static let interval = Duration.milliseconds(250)

    /// - Parameter vocabularySize: V.
    init(_ configuration: TokenMemory.Configuration?, vocabularySize: Int) {
        memory = configuration.map { TokenMemory(vocabularySize: vocabularySize, $0) }
        logits = Array(repeating: 0, count: memory == nil ? 0 : vocabularySize)
    }

    /// Remembers a moment's text, or its right answer if it has one.
    /// - Parameter graph: what was predicted of the moment, from which is learned how far to trust the memory.
    mutating func remember(_ complete: LabelJoin.Waiting, predicted graph: MultimodalGraph<Float>? = nil) {
        let tokens = complete.input.answer ?? complete.input.text
        guard memory != nil, !tokens.isEmpty else { return }
        let predictions = graph?.languageLogits(row: 0) ?? [], source = TokenMemory.source(complete.moment.session)
        memory?.endSequence()
        for (place, token) in tokens.enumerated() {
            if place < predictions.count, predictions[place].token == token {
                logits.withUnsafeMutableBufferPointer {
                    _ = $0.update(fromContentsOf: predictions[place].logits)
                    memory?.predict($0)
                }
            }
            memory?.learn(token, source: source)
        }
        isNew = true
    }

    /// Forgets the texts of a source, or all and what was learned about trusting them.
    mutating func forget(_ source: String?) {
        guard let memory else { return }
        isNew = isNew || memory.count > 0
        if let source {
            self.memory?.forget(source: TokenMemory.source(source))
        } else {
            self.memory = TokenMemory(vocabularySize: memory.vocabularySize, memory.configuration)
        }
    }

    /// Whether it has to be published.
    /// - Parameter waits: whether a change may wait, so that messages do not follow one another too quickly.
    func isDue(at now: Instant, waits: Bool) -> Bool {
        isNew && (!waits || published.nanoseconds == .min || now - published >= Self.interval)
    }

    /// The state to publish; empty where no texts are remembered.
    mutating func published(at now: Instant) -> Data {
        (isNew, published) = (false, now)
        return memory.map { Data($0.state) } ?? Data()
    }

    /// Its file of a checkpoint.
    var files: [CheckpointDirectory.Content] {
        guard let memory, memory.count > 0 else { return [] }
        return [.init(Self.file, bytes: memory.state)]
    }

    /// Restores it from a checkpoint.
    /// - Throws: the error of a file that cannot be read or does not fit; then nothing is remembered.
    mutating func restore(from opened: (_ file: String) -> String?) throws {
        guard let memory, let path = opened(Self.file) else { return }
        let bytes = try readFile(path, atMost: Self.largestFile)
        self.memory = try TokenMemory(bytes, vocabularySize: memory.vocabularySize, memory.configuration)
        isNew = true
    }

    /// The greatest size of its file, in bytes.
    private static let largestFile = 1 << 24
}

extension LearnProcessor {
    /// Restores the texts of the newest checkpoint. A file that cannot be read is counted; then none are known.
    mutating func restoreTexts() {
        do {
            let opened = store.opened
            try texts.restore { opened?[$0] }
        } catch {
            ownTelemetry.drops.count(.checkpointDamaged, because: "\(error); the texts are lost")
        }
    }
}
