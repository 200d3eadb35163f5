import Foundation

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
