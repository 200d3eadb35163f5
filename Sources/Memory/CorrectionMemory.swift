import Foundation
import Tokenization

/// An answer to a question that somebody has given.
public struct Correction: Codable, Sendable, Hashable {
    /// What was asked.
    public var question: String
    /// The right answer.
    public var answer: String
    /// Who gave it: a session or a file.
    public var source: String

    public init(question: String, answer: String, source: String = "") {
        self.question = question
        self.answer = answer
        self.source = source
    }
}

extension Correction {
    /// The size of its texts.
    var bytes: Int { question.utf8.count + answer.utf8.count + source.utf8.count }
}

/// A bounded store of corrections, which finds those whose question is about the same as a new one.
///
/// Two questions are compared by the words that they have in common. A word weighs the more, the rarer it is in the tokenizer's training
/// text: byte-pair encoding gives frequent words low token ids, and splits the rarest into several tokens.
public struct CorrectionMemory: Sendable {
    /// The maximal number of corrections; the oldest are discarded.
    public let capacity: Int
    /// The maximal size of all questions and answers, in bytes; the oldest are discarded.
    public let byteCapacity: Int
    /// The least similarity, 0…1, at which a correction is found.
    public let threshold: Double
    /// From the oldest to the newest.
    public private(set) var corrections: [Correction] = []
    /// The size of all questions and answers.
    private var bytes = 0
    /// The words of each correction's question and answer.
    private var words: [Entry] = []
    let tokenizer: any Tokenizer

    /// A correction that was found.
    public struct Recalled: Sendable, Equatable {
        public var correction: Correction
        /// How similar its question is to the one asked, from the threshold to 1.
        public var similarity: Double
    }

    private struct Entry: Sendable {
        var question: [String: Double]
        var whole: Set<String>
    }

    /// The maximal length of a question or an answer that is compared, in bytes.
    private static let comparedBytes = 4_096

    /// - Parameters:
    ///   - capacity: the maximal number of corrections.
    ///   - byteCapacity: the maximal size of all questions and answers, in bytes.
    ///   - threshold: the least similarity at which a correction is found.
    ///   - tokenizer: the model's.
    public init(capacity: Int = 4_096, byteCapacity: Int = 1 << 24, threshold: Double = 0.46, tokenizer: any Tokenizer) {
        self.capacity = capacity
        self.byteCapacity = byteCapacity
        self.threshold = threshold
        self.tokenizer = tokenizer
    }

    /// Adds a correction; an earlier one of the same question is replaced.
    public mutating func add(_ correction: Correction) {
        if let place = corrections.firstIndex(where: { $0.question == correction.question }) { remove(at: place) }
        append(correction, entry(of: correction))
    }

    /// Replaces all corrections by others, of which it may have some already.
    public mutating func assign(_ others: some Sequence<Correction>) {
        let known = Dictionary(zip(corrections, words)) { $1 }
        (corrections, words, bytes) = ([], [], 0)
        for other in others { append(other, known[other] ?? entry(of: other)) }
    }

    private mutating func append(_ correction: Correction, _ entry: Entry) {
        corrections.append(correction)
        words.append(entry)
        bytes += correction.bytes
        while !corrections.isEmpty, corrections.count > capacity || bytes > byteCapacity { remove(at: 0) }
    }

    private func entry(of correction: Correction) -> Entry {
        let question = weights(of: correction.question)
        return Entry(question: question, whole: Set(question.keys).union(weights(of: correction.answer).keys))
    }

    /// Removes the corrections of a source.
    /// - Returns: how many there were.
    @discardableResult
    public mutating func forget(source: String) -> Int {
        let places = corrections.indices.filter { corrections[$0].source == source }
        for place in places.reversed() { remove(at: place) }
        return places.count
    }

    private mutating func remove(at place: Int) {
        bytes -= corrections[place].bytes
        corrections.remove(at: place)
        words.remove(at: place)
    }

    /// The corrections whose questions are most similar to a new one, the most similar last; at most `limit`.
    ///
    /// The similarity is √(a · b): a is the share of the new question's weight that the correction's question or answer has, b the share of
    /// the correction's question that the new one has.
    public func recall(_ question: String, limit: Int = 1) -> [Recalled] {
        let asked = weights(of: question), total = asked.values.reduce(0, +)
        guard total > 0 else { return [] }
        let found = words.indices.compactMap { place -> (place: Int, similarity: Double)? in
            let entry = words[place], own = entry.question.values.reduce(0, +)
            let covered = asked.reduce(0) { entry.whole.contains($1.key) ? $0 + $1.value : $0 }
            let common = entry.question.reduce(0) { asked[$1.key] != nil ? $0 + $1.value : $0 }
            let similarity = own > 0 ? (covered / total * common / own).squareRoot() : 0
            return similarity >= threshold ? (place, similarity) : nil
        }
        // Of equally similar ones the newest is preferred.
        return found.sorted { ($0.similarity, $0.place) < ($1.similarity, $1.place) }.suffix(limit).map {
            Recalled(correction: corrections[$0.place], similarity: $0.similarity)
        }
    }

    /// The words of a text, in lower case, with the cube of their rarity, which makes the rarest words decide.
    private func weights(of text: String) -> [String: Double] {
        var weights: [String: Double] = [:]
        let isPart = { (character: Character) in character.isLetter || character.isNumber || character == "'" || character == "’" }
        for piece in text.prefix(Self.comparedBytes).lowercased().split(whereSeparator: { !isPart($0) }) {
            let word = String(piece.prefix { $0 != "'" && $0 != "’" })
            guard !word.isEmpty, weights[word] == nil else { continue }
            let rarity = rarity(of: word)
            weights[word] = rarity * rarity * rarity
        }
        return weights
    }

    private func rarity(of word: String) -> Double {
        let tokens = tokenizer.encodeText(Array(" \(word)".utf8))
        let rank = tokens.count == 1 ? tokens[0] : tokenizer.vocabularySize
        return log(1 + Double(rank) / Self.frequentTokens)
    }

    /// Some hundred tokens are bytes and the most frequent words.
    private static let frequentTokens = 300.0
}
