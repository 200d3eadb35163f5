import Statistics

/// Recognises the section of a record that a dialogue belongs to, and learns from each once: by its words, the words by who says them,
/// the words of the first turns, pieces of words, and what a language model makes of it, if one reads.
public struct DialogueModel {
    private var classifier: TextClassifier

    /// - Parameter vectors: the number of vectors that a language model gives of each dialogue; 0 without.
    public init(vectors: Int = 0) { classifier = TextClassifier(words: 4, vectors: vectors) }

    /// The probability of each section that has come so far.
    /// - Parameters:
    ///   - text: the dialogue, whose turns are lines.
    ///   - vectors: what a language model makes of it.
    public mutating func predict(_ text: String, _ vectors: [[Float]] = []) -> [Float] {
        let turns = Self.turns(of: text)
        let words = [
            Self.counts(turns) { _, _, word in word }, Self.counts(turns) { _, speaker, word in speaker + ":" + word },
            Self.counts(Array(turns.prefix(2))) { index, _, word in "\(index):" + word }, Self.pieces(turns),
        ]
        return classifier.predict(TextClassifier.Features(words: words, vectors: vectors, length: text.utf8.count))
    }

    /// Learns the section of the dialogue predicted last.
    public mutating func learn(_ section: Int) { classifier.learn(section) }

    /// The turns' speakers, by their first letters, and words.
    private static func turns(of text: String) -> [(speaker: String, words: [String])] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            let hasSpeaker = parts.count == 2 && parts[0].allSatisfy { $0.isLetter || $0 == "_" || $0 == " " } && parts[0].count <= 24
            let speech = hasSpeaker ? parts[1] : line
            let words = speech.lowercased().split { !($0.isLetter || $0 == "'") }.map { stem(String($0)) }
            let speaker = hasSpeaker ? String(parts[0].drop { $0 == " " }.prefix(1)) : "?"
            return words.isEmpty ? nil : (speaker, words)
        }
    }

    /// A word of more than four letters without one common ending.
    private static func stem(_ word: String) -> String {
        guard word.count > 4, let ending = ["ing", "ies", "ed", "es", "s"].first(where: word.hasSuffix) else { return word }
        return String(word.dropLast(ending.count))
    }

    /// How often each piece of four letters comes, beginnings and ends of words counting as letters.
    private static func pieces(_ turns: [(speaker: String, words: [String])]) -> [String: Float] {
        var counts: [String: Float] = [:]
        for word in turns.flatMap({ $0.words }) {
            let letters = Array("^" + word + "$")
            for start in 0..<max(1, letters.count - 3) {
                counts[String(letters[start..<min(letters.count, start + 4)]), default: 0] += 1
            }
        }
        return counts
    }

    private static func counts(
        _ turns: [(speaker: String, words: [String])], _ name: (Int, String, String) -> String
    ) -> [String: Float] {
        var counts: [String: Float] = [:]
        for (index, turn) in turns.enumerated() {
            for word in turn.words { counts[name(index, turn.speaker, word), default: 0] += 1 }
        }
        return counts
    }
}

/// How often the section was recognised, learning and afterwards.
public struct DialogueScores: Sendable {
    /// Whether each dialogue was recognised, by the model and by the baseline.
    public private(set) var learning: [(model: Bool, baseline: Bool)] = [], afterwards: [(model: Bool, baseline: Bool)] = []

    /// One pass over `training`, each predicted and then learned; then `testing`, which is not learned.
    /// - Parameters:
    ///   - training: dialogues to learn from.
    ///   - testing: others.
    ///   - vectors: the number of vectors that `read` gives.
    ///   - read: what a language model makes of a dialogue.
    public init(_ training: [VisitDialogue], _ testing: [VisitDialogue], vectors: Int = 0, read: (String) -> [[Float]] = { _ in [] }) {
        var model = DialogueModel(vectors: vectors), baseline = TextBaseline()
        func recognise(_ dialogue: VisitDialogue) -> (Bool, Bool) {
            (
                model.predict(dialogue.text, read(dialogue.text)).argmax == dialogue.section,
                baseline.predict(dialogue.text) == dialogue.section
            )
        }
        for dialogue in training {
            learning.append(recognise(dialogue))
            model.learn(dialogue.section)
            baseline.learn(dialogue.section)
        }
        for dialogue in testing { afterwards.append(recognise(dialogue)) }
    }

    public var prequentialAccuracy: Double { Self.share(learning.count { $0.model }, learning.count) }
    public var testAccuracy: Double { Self.share(afterwards.count { $0.model }, afterwards.count) }
    public var baselinePrequentialAccuracy: Double { Self.share(learning.count { $0.baseline }, learning.count) }
    public var baselineTestAccuracy: Double { Self.share(afterwards.count { $0.baseline }, afterwards.count) }

    private static func share(_ count: Int, _ all: Int) -> Double { Double(count) / Double(max(1, all)) }
}
