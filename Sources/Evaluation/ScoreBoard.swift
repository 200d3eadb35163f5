import Foundation
import Statistics

/// Prequential scores of one predictor: over all moments so far, and over a window of the newest.
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

    /// - Parameter window: the number of labels, and of texts, in the windowed scores.
    public init(window: Int) {
        precondition(window > 0, "a window of \(window)")
        self.window = window
    }

    /// Adds a text that was predicted before it was learned; ignored without tokens, or if the number is not finite.
    /// - Parameters:
    ///   - tokenNLL: the negative log-likelihood of all tokens, in nats.
    ///   - tokens: the number of tokens.
    ///   - bytes: the number of bytes that the tokens represent.
    public mutating func add(tokenNLL: Double, tokens: Int, bytes: Int) {
        guard tokens > 0, tokenNLL.isFinite else { return }
        let score = TextScore(nll: tokenNLL, tokens: tokens, bytes: bytes)
        running.add(score)
        if texts.count < window { texts.append(score) } else { texts[nextText] = score }
        nextText = (nextText + 1) % window
    }

    /// Adds a predicted distribution over classes; ignored if a number is not finite.
    /// - Parameters:
    ///   - probabilities: one for each class.
    ///   - label: the index of the true class.
    public mutating func add(probabilities: [Float], label: Int) {
        precondition(probabilities.indices.contains(label), "label \(label) of \(probabilities.count) classes")
        guard probabilities.allSatisfy(\.isFinite) else { return }
        let score = LabelScore(probabilities: probabilities, label: label)
        running.add(score)
        if labels.count < window { labels.append(score) } else { labels[nextLabel] = score }
        nextLabel = (nextLabel + 1) % window
    }

    /// The scores over the newest `window` labels and texts.
    public var windowed: Scores {
        var scores = Scores()
        for label in labels { scores.add(label) }
        for text in texts { scores.add(text) }
        return scores
    }
}

/// Accumulated sums, and the scores derived from them.
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
        let likeliest = score.probabilities.argmax
        if likeliest == score.label { right += 1 }
        confidence.add(probabilities: score.probabilities, label: score.label)
    }

    mutating func add(_ score: ScoreBoard.TextScore) {
        textNLL += score.nll
        tokens += score.tokens
        bytes += score.bytes
    }

    /// The fraction of labels that were the most probable class; 0 without labels.
    public var accuracy: Double { labelled > 0 ? Double(right) / Double(labelled) : 0 }
    /// The mean negative log-likelihood of labels in nats; 0 without labels.
    public var classNLL: Double { labelled > 0 ? labelNLL / Double(labelled) : 0 }
    /// The mean negative log-likelihood of tokens in nats; 0 without tokens.
    public var tokenNLL: Double { tokens > 0 ? textNLL / Double(tokens) : 0 }
    /// The negative log-likelihood of texts in bits per byte; 0 without texts.
    public var bitsPerByte: Double { bytes > 0 ? textNLL / Double(bytes) / log(2) : 0 }

    /// The expected calibration error; 0 without labels.
    public var calibration: Double { confidence.expectedCalibrationError ?? 0 }
}
