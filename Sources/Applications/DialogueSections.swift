import Foundation
import Statistics

/// A doctor's and a patient's dialogue, and the section of a medical record that it belongs to.
public struct VisitDialogue: Sendable, Equatable {
    public var text: String
    /// An index from 0, in the order in which files name the sections.
    public var section: Int

    public init(text: String, section: Int) { (self.text, self.section) = (text, section) }
}

/// Dialogues read from files in the format of MTS-Dialog: columns `section_header` and `dialogue`, whose turns are lines that begin with
/// the speaker and a colon. Sections are the same in all files that one reader reads.
public struct VisitDialogueReader {
    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Names of sections by their indices.
    public private(set) var sections: [String] = []

    /// The most sections, and bytes of a dialogue.
    public static let sectionLimit = 256, textLimit = 1 << 20

    public init() {}

    /// Reads a file.
    /// - Throws: what is wrong, in one sentence.
    public mutating func dialogues(path: String) throws -> [VisitDialogue] {
        let file = try CSVFile(path: path)
        let texts = try file.texts(of: "dialogue"), names = try file.texts(of: "section_header")
        guard file.rowCount > 0 else { throw Failure(description: "\(path) has no dialogues") }
        return try zip(texts, names).enumerated().map { row, pair in
            let (text, name) = pair
            guard !name.isEmpty, !text.isEmpty else {
                throw Failure(description: "\(path), row \(row): 'dialogue' or 'section_header' is empty; the file may be cut off")
            }
            guard text.utf8.count <= Self.textLimit else {
                throw Failure(description: "\(path), row \(row): a dialogue of more than \(Self.textLimit) bytes")
            }
            if let section = sections.firstIndex(of: name) { return VisitDialogue(text: text, section: section) }
            guard sections.count < Self.sectionLimit else { throw Failure(description: "\(path): more than \(Self.sectionLimit) sections") }
            sections.append(name)
            return VisitDialogue(text: text, section: sections.count - 1)
        }
    }
}

/// Recognises the section of a dialogue, and learns from each once.
///
/// Softmax regressions on the words, on the words by who says them, and on the words of the first turns; `GatedChoice` weighs what they
/// say, with how frequent the sections are and how long their dialogues.
public struct DialogueModel {
    private var counts = WordCounts()
    private var experts = Array(repeating: AdagradSoftmax(), count: 3)
    private var choice = GatedChoice(initial: [1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 0], gates: 1, rate: 0.1)
    private var frequencies: [Float] = []
    private var lengths: [RunningMoments] = []
    private var length = 0.0
    private var words: [[String: Float]] = []
    private var rows: [[Float]] = []

    public init() {}

    /// The probability of each section that has come so far.
    public mutating func predict(_ text: String) -> [Float] {
        let turns = Self.turns(of: text)
        length = log(Double(max(1, text.utf8.count)))
        words = [
            Self.counts(turns) { _, _, word in word }, Self.counts(turns) { _, speaker, word in speaker + ":" + word },
            Self.counts(Array(turns.prefix(2))) { index, _, word in "\(index):" + word },
        ]
        let logs = words.indices.map { experts[$0].predict(counts.inputs(words[$0], kind: $0)) }
        guard !frequencies.isEmpty else { return [] }
        rows = frequencies.indices.map { section in
            logs.map { $0[section] } + [log((frequencies[section] + 0.5) / Float(counts.texts + 1)), fit(section)]
        }
        return choice.predict(rows, gates: [1])
    }

    /// ln of how likely the length is in a section, by a normal distribution of its logarithm.
    private func fit(_ section: Int) -> Float {
        let deviation = lengths[section].count > 2 ? max(0.45, lengths[section].standardDeviation) : 1
        let mean = lengths[section].count > 0 ? lengths[section].mean : 6, z = (length - mean) / deviation
        return Float(max(-8, -z * z / 2) - log(deviation))
    }

    /// Learns the section of the dialogue predicted last.
    public mutating func learn(_ section: Int) {
        if frequencies.indices.contains(section), !rows.isEmpty { choice.learn(section) }
        for index in experts.indices { experts[index].learn(section) }
        while frequencies.count <= section {
            frequencies.append(0)
            lengths.append(RunningMoments())
        }
        frequencies[section] += 1
        lengths[section].add(length)
        counts.add(words)
    }

    // MARK: Words

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

/// In how many texts words have been, to weigh them by how rare they are (tf-idf).
struct WordCounts: Sendable {
    private(set) var texts = 0
    private var frequencies: [String: Float] = [:]

    /// The most words that are counted; what comes beyond counts as new each time.
    private static let wordLimit = 1 << 18

    /// Inputs of length one, in alphabetical order, and a constant.
    func inputs(_ words: [String: Float], kind: Int) -> [AdagradSoftmax.Input] {
        let sorted = words.sorted { $0.key < $1.key }
        let values = sorted.map { (1 + log($0.value)) * log(Float(texts + 2) / ((frequencies["\(kind)" + $0.key] ?? 0) + 1)) }
        let norm = max(1e-6, values.reduce(0) { $0 + $1 * $1 }.squareRoot())
        let keys = sorted.map { $0.key.utf8.reduce(UInt64(kind)) { mixed($0 ^ UInt64($1)) } }
        return zip(keys, values).map { ($0, $1 / norm) } + [(.max, 0.3)]
    }

    /// Counts the words of one text, of several kinds.
    mutating func add(_ words: [[String: Float]]) {
        texts += 1
        for (kind, words) in words.enumerated() {
            for word in words.keys where frequencies.count < Self.wordLimit || frequencies["\(kind)" + word] != nil {
                frequencies["\(kind)" + word, default: 0] += 1
            }
        }
    }
}

/// Softmax regression on the words of a dialogue, weighed by tf-idf: the baseline of `DialogueModel`.
public struct DialogueBaseline {
    private var counts = WordCounts()
    private var softmax = AdagradSoftmax()
    private var words: [String: Float] = [:]

    public init() {}

    /// The section that is the most probable; nil before any has come.
    public mutating func predict(_ text: String) -> Int? {
        words = text.lowercased().split { !($0.isLetter || $0 == "'") }.reduce(into: [:]) { $0[String($1), default: 0] += 1 }
        return softmax.predict(counts.inputs(words, kind: 0)).argmax
    }

    /// Learns the section of the dialogue predicted last.
    public mutating func learn(_ section: Int) {
        softmax.learn(section)
        counts.add([words])
    }
}

/// How often the section was recognised, learning and afterwards.
public struct DialogueScores: Sendable {
    public private(set) var prequentialAccuracy = 0.0, testAccuracy = 0.0
    public private(set) var baselinePrequentialAccuracy = 0.0, baselineTestAccuracy = 0.0

    /// One pass over `training`, each predicted and then learned; then `testing`, which is not learned.
    /// - Parameters:
    ///   - training: dialogues to learn from.
    ///   - testing: others.
    public init(_ training: [VisitDialogue], _ testing: [VisitDialogue]) {
        var model = DialogueModel(), baseline = DialogueBaseline()
        var right = (model: 0, baseline: 0)
        for dialogue in training {
            right.model += model.predict(dialogue.text).argmax == dialogue.section ? 1 : 0
            right.baseline += baseline.predict(dialogue.text) == dialogue.section ? 1 : 0
            model.learn(dialogue.section)
            baseline.learn(dialogue.section)
        }
        prequentialAccuracy = Double(right.model) / Double(max(1, training.count))
        baselinePrequentialAccuracy = Double(right.baseline) / Double(max(1, training.count))
        right = (0, 0)
        for dialogue in testing {
            right.model += model.predict(dialogue.text).argmax == dialogue.section ? 1 : 0
            right.baseline += baseline.predict(dialogue.text) == dialogue.section ? 1 : 0
        }
        testAccuracy = Double(right.model) / Double(max(1, testing.count))
        baselineTestAccuracy = Double(right.baseline) / Double(max(1, testing.count))
    }
}
