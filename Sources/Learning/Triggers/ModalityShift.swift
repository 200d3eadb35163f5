import Model
import Statistics

/// Measures how much the recent readings of one modality differ from the first ones: a signal for triggers.
///
/// A reading is represented by the mean of its rows, a text by a histogram of its tokens. The kernel's width is the typical distance of
/// the first readings.
struct ModalityShift: Codable, Sendable {
    private let modality: String
    private var random: RandomSource
    private var first: [[Float]] = []
    private var shift: FeatureShift?
    /// The number of readings from which the width is computed.
    private static let sizing = 20
    /// The number of bins of the histogram of tokens.
    private static let bins = 64

    init(_ modality: String, random: RandomSource) {
        self.modality = modality
        self.random = random
    }

    /// Adds a moment; returns the discrepancy, nil until there are enough readings, and for a moment without the modality.
    mutating func add(_ moment: MomentInput) -> Double? {
        guard let x = summary(of: moment), x.allSatisfy(\.isFinite) else { return nil }
        if shift == nil {
            first.append(x)
            guard first.count == Self.sizing else { return nil }
            var made = FeatureShift(columns: x.count, width: typicalDistance, random: &random)
            for x in first where x.count == made.columns { _ = made.add(x) }
            shift = made
            first = []
            return nil
        }
        guard x.count == shift?.columns else { return nil }
        return shift?.add(x)
    }

    private var typicalDistance: Double {
        var sum = 0.0, count = 0
        for (index, a) in first.enumerated() {
            for b in first[..<index] where a.count == b.count {
                let distance = zip(a, b).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
                guard distance.isFinite else { continue }
                sum += distance
                count += 1
            }
        }
        return max(1e-6, sum / Double(max(1, count)))
    }

    private func summary(of moment: MomentInput) -> [Float]? {
        if modality == MultimodalConfiguration.textName {
            guard !moment.text.isEmpty else { return nil }
            var counts: [Float] = Array(repeating: 0, count: Self.bins)
            for token in moment.text { counts[token % Self.bins] += 1 / Float(moment.text.count) }
            return counts
        }
        guard let sense = moment.senses[modality], sense.rows > 0, sense.columns > 0 else { return nil }
        var mean: [Float] = Array(repeating: 0, count: sense.columns)
        for row in 0..<sense.rows {
            for column in 0..<sense.columns { mean[column] += sense.values[row * sense.columns + column] / Float(sense.rows) }
        }
        return mean
    }
}
