import Configuration
import Files
import Foundation
import Memory
import Messaging
import Pipeline
import Safetensors
import Schema
import Tokenization

/// What answers recall: corrections, which are remembered before they are learned, and published, so that answers recall them at once.
extension LearnProcessor {
    /// The maximal size of all corrections, which fit into one message.
    static let correctionBytes = 512 << 10
    /// The most moments that asked for an answer and may still be corrected.
    private static let mostAsked = 256
    private static let file = "corrections.json"
    /// The greatest size of their file, in bytes: a character may take twelve in JSON.
    private static let largestFile = 16 * correctionBytes

    /// Keeps a moment that asks for an answer.
    mutating func noteAsked(_ one: LabelJoin.Waiting) {
        guard answers.answers(one.moment.kind), !one.input.text.isEmpty else { return }
        asked.append(one)
        if asked.count > Self.mostAsked { asked.removeFirst() }
    }

    /// The moment that asked for the answer that a correction is of.
    func asked(by feedback: Feedback) -> LabelJoin.Waiting? { asked.last { feedback.cites($0.moment) } }

    /// Remembers a correction of a moment that had words.
    mutating func remember(_ feedback: Feedback, of complete: LabelJoin.Waiting) {
        guard let words = try? tokenizer.decode(complete.input.text), !words.isEmpty else { return }
        corrections.add(
            Correction(question: String(decoding: words, as: UTF8.self), answer: feedback.text, source: complete.moment.session))
        isMemoryNew = true
    }

    /// Forgets the corrections and the texts of a source, or all.
    mutating func forgetTexts(of source: String?) {
        texts.forget(source)
        let before = corrections.corrections.count
        if let source { corrections.forget(source: source) } else { corrections.assign([]) }
        if corrections.corrections.count != before { isMemoryNew = true }
    }

    /// The corrections and the texts as a message, where they changed since they were last published.
    mutating func newMemory(at now: Instant) -> [Outgoing] {
        guard isMemoryNew || texts.isDue(at: now, waits: isLive) else { return [] }
        isMemoryNew = false
        ownTelemetry.gauges["rememberedCorrections"] = Double(corrections.corrections.count)
        ownTelemetry.gauges["rememberedTokens"] = Double(texts.memory?.count ?? 0)
        let update = MemoryUpdate.with {
            $0.version = progress.version
            $0.texts = texts.published(at: now)
            $0.corrections = corrections.corrections.map { correction in
                .with { ($0.question, $0.answer, $0.source) = (correction.question, correction.answer, correction.source) }
            }
        }
        return [Outgoing(update, on: Topics.memoryUpdate.only)]
    }

    /// The corrections' file of a checkpoint.
    var correctionFiles: [CheckpointDirectory.Content] {
        guard !corrections.corrections.isEmpty, let text = try? StateCoding.encode(corrections.corrections) else { return [] }
        return [.init(Self.file, bytes: text)]
    }

    /// Restores the corrections of the newest checkpoint. A file that cannot be read is counted; then none are known.
    mutating func restoreCorrections() {
        guard let path = store.opened?[Self.file] else { return }
        do {
            let text = Data(try readFile(path, atMost: Self.largestFile))
            corrections.assign(try StateCoding.decode([Correction].self, from: text, of: path))
            isMemoryNew = !corrections.corrections.isEmpty
        } catch {
            ownTelemetry.drops.count(.checkpointDamaged, because: "\(error); the corrections are lost")
        }
    }
}

extension LabelJoin.Outcome {
    /// The moment that asked for an answer, where none waits for the feedback any more.
    func orAsked(_ asked: LabelJoin.Waiting?) -> LabelJoin.Outcome {
        if case .joined = self { return self }
        return asked.map { .joined($0) } ?? self
    }
}
