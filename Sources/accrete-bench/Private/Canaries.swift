import Foundation
import Learning
import Model
import Statistics

/// A stream into which moments with wrong labels are planted, and moments that are kept out of it.
struct Canaries {
    /// In a random order.
    let stream: [MomentInput]
    private let planted: [MomentInput]
    private let outside: [MomentInput]

    /// - Parameters:
    ///   - moments: with labels of ten classes; the last are not learned, those before them planted.
    ///   - planted: the number of moments that get one of nine wrong labels.
    ///   - outside: the number of moments that are not learned.
    init(_ moments: [MomentInput], planted count: Int, outside: Int, seed: UInt64) {
        var random = RandomSource(seed: seed), shuffled = moments
        for index in shuffled.indices.dropLast() { shuffled.swapAt(index, index + random.uniform(below: shuffled.count - index)) }
        let learned = shuffled.dropLast(outside)
        planted = learned.suffix(count).map { Self.wrong($0, by: 1 + random.uniform(below: 9)) }
        self.outside = shuffled.suffix(outside).flatMap { moment in (1...9).map { Self.wrong(moment, by: $0) } }
        var stream = Array(learned.dropLast(count)) + planted
        for index in stream.indices.dropLast() { stream.swapAt(index, index + random.uniform(below: stream.count - index)) }
        self.stream = stream
    }

    private static func wrong(_ moment: MomentInput, by shift: Int) -> MomentInput {
        var moment = moment
        moment.label = ((moment.label ?? 0) + shift) % 10
        return moment
    }

    /// Says that a wrong label was learned where its loss is below that of all but one in a thousand of the wrong labels outside.
    func attack(_ learner: OnlineLearner) -> Attack {
        let graph = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
        func losses(_ moments: [MomentInput]) -> [Double] {
            moments.map { moment in
                graph.set(moment, row: 0)
                graph.forward()
                return graph.classificationLoss(row: 0)
            }
        }
        let unseen = losses(outside).sorted(), allowed = unseen.count / 1_000
        let threshold = unseen[allowed]
        return Attack(
            planted: planted.count, found: losses(planted).count { $0 < threshold }, outside: unseen.count,
            wrong: unseen.count { $0 < threshold })
    }
}

/// What an attack found, over all runs.
struct Attack: Encodable {
    var planted = 0
    /// Planted labels that were found, and others that were taken for planted.
    var found = 0, outside = 0, wrong = 0

    var rate: Double { Double(found) / Double(max(1, planted)) }
    var falseRate: Double { Double(wrong) / Double(max(1, outside)) }

    /// Wilson's interval of 95 % for the rate.
    var interval: (lower: Double, upper: Double) {
        let z = 1.959964, n = Double(max(1, planted))
        let middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (rate * (1 - rate) / n + z * z / (4 * n * n)).squareRoot()
        return (max(0, middle - half), min(1, middle + half))
    }

    static func + (one: Attack, other: Attack) -> Attack {
        Attack(
            planted: one.planted + other.planted, found: one.found + other.found, outside: one.outside + other.outside,
            wrong: one.wrong + other.wrong)
    }

    private enum CodingKeys: CodingKey { case planted, found, outside, wrong, rate, falseRate, lower, upper }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(planted, forKey: .planted)
        try container.encode(found, forKey: .found)
        try container.encode(outside, forKey: .outside)
        try container.encode(wrong, forKey: .wrong)
        try container.encode(rate, forKey: .rate)
        try container.encode(falseRate, forKey: .falseRate)
        try container.encode(interval.lower, forKey: .lower)
        try container.encode(interval.upper, forKey: .upper)
    }
}
