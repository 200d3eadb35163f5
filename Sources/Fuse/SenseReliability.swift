import Foundation
import Timing

/// The reliability of one modality of one session: 1 while its statistics are as usual, towards 0 as its readings or its errors drift.
///
/// r = readings · errors. `readings` is a short average of validity · trust(z), where z is the greatest deviation of the mean and of the
/// logarithm of the standard deviation of a moment's features from their usual values. `errors` is trust(z) of a short average of the
/// error of the modality's expert, an EWMA chart (https://arxiv.org/abs/1212.6018), relative to the other modalities: where all err more,
/// the task has changed, not the sense.
struct SenseReliability: Sendable {
    enum Cause: String, Sendable { case validity, statistics, errors }

    private let settings: ReliabilitySettings
    private var usual: [Usual]
    private var usualError: Usual
    private var readings = 1.0
    private var validity = 1.0
    private var recentError = 0.0
    /// The number of moments, and of labels, in a row that were unusual.
    private var strange = 0, strangeErrors = 0
    private var skill = 1.0
    /// How far recent errors exceed the usual ones, in deviations.
    private(set) var excess = 0.0
    var isMuted = false

    init(_ settings: ReliabilitySettings) {
        self.settings = settings
        usual = [Usual(floor: 0.05), Usual(floor: 0.05)]
        usualError = Usual(floor: 0.05)
    }

    /// Updates the statistics with the features of a moment.
    /// - Parameters:
    ///   - features: all values of the modality, in any shape.
    ///   - validity: of the frontend, 0 … 1.
    mutating func observe(_ features: [Float], validity: Double) {
        guard !features.isEmpty else { return }
        let count = Double(features.count)
        let mean = features.reduce(0) { $0 + Double($1) } / count
        let variance = features.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
        let statistics = [mean, log(1e-3 + variance.squareRoot())]
        let z = isKnown(usual[0]) ? zip(usual, statistics).map { abs($0.deviations(of: $1)) }.max() ?? 0 : 0
        let weight = settings.readingWeight
        readings += weight * (validity * trust(z) - readings)
        self.validity += weight * (validity - self.validity)
        strange = z > settings.limit ? strange + 1 : 0
        if strange > settings.patience {
            usual = usual.map { Usual(floor: $0.floor) }
            strange = 0
        }
        // Invalid or unusual readings do not change the usual statistics.
        guard validity >= 0.5, z <= settings.limit else { return }
        for (index, statistic) in statistics.enumerated() { usual[index].add(statistic, weight: settings.usualWeight) }
    }

    /// Updates the error statistics with a label.
    /// - Parameters:
    ///   - error: 1 − the probability that the modality's expert gave the label.
    ///   - chance: the same for a uniform prediction.
    mutating func observe(error: Double, chance: Double) {
        let isFirst = usualError.count == 0
        recentError = isFirst ? error : recentError + settings.errorWeight * (error - recentError)
        skill = max(0, 1 - recentError / max(chance, 1e-6))
        let narrowing = (settings.errorWeight / (2 - settings.errorWeight)).squareRoot()
        excess = isKnown(usualError) ? max(0, usualError.deviations(of: recentError) / narrowing) : 0
        strangeErrors = excess > settings.limit ? strangeErrors + 1 : 0
        if strangeErrors > settings.patience {
            usualError = Usual(floor: usualError.floor)
            strangeErrors = 0
        }
        if excess <= settings.limit { usualError.add(error, weight: settings.usualWeight) }
    }

    /// The reliability, 0 … 1, and what lowers it most.
    /// - Parameter shared: the least excess among the other modalities of the moment.
    func reliability(beside shared: Double) -> (value: Double, cause: Cause) {
        // An expert that is still better than chance is kept, however much better it was before.
        let errors = max(trust(excess - shared), skill)
        let cause: Cause = errors < readings ? .errors : validity < 0.5 ? .validity : .statistics
        return (max(0, min(1, readings * errors)), cause)
    }

    private func isKnown(_ usual: Usual) -> Bool { usual.count >= settings.warmUp }

    /// 1 up to the limit, 0 from twice the limit on.
    private func trust(_ z: Double) -> Double { max(0, min(1, 2 - z / settings.limit)) }
}

/// The mean and deviation of a number over its newest values, weighted exponentially.
private struct Usual: Sendable {
    /// The least deviation that is assumed.
    let floor: Double
    private(set) var count = 0
    private var mean = 0.0, variance = 0.0

    init(floor: Double) {
        self.floor = floor
    }

    mutating func add(_ x: Double, weight: Double) {
        count += 1
        let weight = max(weight, 1 / Double(count)), gap = x - mean
        mean += weight * gap
        variance = (1 - weight) * (variance + weight * gap * gap)
    }

    func deviations(of x: Double) -> Double { (x - mean) / max(variance.squareRoot(), floor) }
}
