/// How well predicted probabilities match observed frequencies: of the answers given with confidence 0.8, 80 % should be right.
///
/// Expected calibration error over equal bins of confidence (Naeini et al. 2015, https://doi.org/10.1609/aaai.v29i1.9602)
/// and the Brier score Σₖ (pₖ − yₖ)², averaged (Brier 1950).
public struct Calibration: Codable, Sendable, Equatable {
    private struct Bin: Codable, Equatable {
        var count = 0
        var confidence = 0.0
        var correct = 0
    }

    private var bins: [Bin]
    private var squares = 0.0
    public private(set) var count = 0

    public init(bins: Int = 15) {
        precondition(bins > 0, "\(bins) bins")
        self.bins = Array(repeating: Bin(), count: bins)
    }

    /// Adds one prediction.
    /// - Parameters:
    ///   - probabilities: one for each class; they sum to one.
    ///   - label: the index of the true class.
    public mutating func add(probabilities: some Collection<Float>, label: Int) {
        precondition((0..<probabilities.count).contains(label), "label \(label) of \(probabilities.count) classes")
        var (answer, confidence, square) = (0, -1.0, 0.0)
        for (k, p) in probabilities.enumerated() {
            let p = Double(p)
            if p > confidence { (answer, confidence) = (k, p) }
            let miss = p - (k == label ? 1 : 0)
            square += miss * miss
        }
        let index = min(bins.count - 1, max(0, Int(confidence * Double(bins.count))))
        bins[index].count += 1
        bins[index].confidence += confidence
        bins[index].correct += answer == label ? 1 : 0
        squares += square
        count += 1
    }

    /// Nil before the first prediction.
    public var expectedCalibrationError: Double? {
        count == 0 ? nil : bins.reduce(0) { $0 + abs(Double($1.correct) - $1.confidence) } / Double(count)
    }

    /// Nil before the first prediction; 0 is the best value, 2 the worst.
    public var brierScore: Double? { count == 0 ? nil : squares / Double(count) }
}
