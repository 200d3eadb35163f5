import Foundation
import Statistics

/// Prequential scores of one player: over everything so far, and over the newest moments.
public struct ScoreBoard: Codable, Sendable, Equatable {
    public private(set) var running = Scores()
    private var labels: [LabelScore] = []
    private var texts: [TextScore] = []
    private var nextLabel = 0
    private var nextText = 0
    private let window: Int

    struct LabelScore: Codable, Sendable, Equatable {
        var probabilities: [Float]
        var label: Int
    }

    struct TextScore: Codable, Sendable, Equatable {
        var nll: Double
        var tokens: Int
        var bytes: Int
    }

    /// - Parameter window: labels, and texts, that the windowed scores look back on.
    public init(window: Int) {
        precondition(window > 0, "a window of \(window)")
        self.window = window
    }

    /// A text, judged before it was learned.
    /// - Parameters:
    ///   - tokenNLL: nats over all its tokens.
    ///   - bytes: what the tokens stand for.
    public mutating func add(tokenNLL: Double, tokens: Int, bytes: Int) {
        guard tokens > 0, tokenNLL.isFinite else { return }
        let score = TextScore(nll: tokenNLL, tokens: tokens, bytes: bytes)
        running.add(score)
        if texts.count < window { texts.append(score) } else { texts[nextText] = score }
        nextText = (nextText + 1) % window
    }

    /// A distribution over classes, judged by the class that it should have been; one with a number that is not finite is passed over.
    public mutating func add(probabilities: [Float], label: Int) {
        precondition(probabilities.indices.contains(label), "label \(label) of \(probabilities.count) classes")
        guard probabilities.allSatisfy(\.isFinite) else { return }
        let score = LabelScore(probabilities: probabilities, label: label)
        running.add(score)
        if labels.count < window { labels.append(score) } else { labels[nextLabel] = score }
        nextLabel = (nextLabel + 1) % window
    }

    public var windowed: Scores {
        var scores = Scores()
        for label in labels { scores.add(label) }
        for text in texts { scores.add(text) }
        return scores
    }
}

/// Sums from which the usual scores follow.
public struct Scores: Codable, Sendable, Equatable {
    public private(set) var labelled = 0
    public private(set) var tokens = 0
    private var right = 0
    private var labelNLL = 0.0
    private var textNLL = 0.0
    private var bytes = 0
    private var confidence = Calibration(bins: 10)

    public init() {}

    mutating func add(_ score: ScoreBoard.LabelScore) {
        labelled += 1
        labelNLL -= log(max(Double(score.probabilities[score.label]), 1e-12))
        let likeliest = score.probabilities.indices.max { score.probabilities[$0] < score.probabilities[$1] }
        if likeliest == score.label { right += 1 }
        confidence.add(probabilities: score.probabilities, label: score.label)
    }

    mutating func add(_ score: ScoreBoard.TextScore) {
        textNLL += score.nll
        tokens += score.tokens
        bytes += score.bytes
    }

    /// Share of labels that were the likeliest class; 0 without labels.
    public var accuracy: Double { labelled > 0 ? Double(right) / Double(labelled) : 0 }
    /// Nats a label.
    public var classNLL: Double { labelled > 0 ? labelNLL / Double(labelled) : 0 }
    /// Nats a token.
    public var tokenNLL: Double { tokens > 0 ? textNLL / Double(tokens) : 0 }
    public var bitsPerByte: Double { bytes > 0 ? textNLL / Double(bytes) / log(2) : 0 }

    /// Expected calibration error; 0 without labels.
    public var calibration: Double { confidence.expectedCalibrationError ?? 0 }
}
