import ArgumentParser
import Foundation
import Statistics
import StrictJSON

/// Evaluates every drift detector on streams of many small drifts, and a baseline that fires equally often at regular intervals.
struct DriftBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "Compares every drift detector on streams of many small drifts with a baseline at the same alarm rate.",
        discussion: """
            A stream has the errors (0 or 1) of a learner whose error rate changes by 0.1 to 0.3 at random times, 500 to 1,500
            samples apart. The first alarm within 300 samples after a drift is correct; every other alarm is false. Detectors have their
            default settings; the baseline fires at regular intervals, about as often as the detector.
            """
    )

    @Option(help: "How many streams.")
    var streams = 20

    @Option(help: "Drifts in each stream.")
    var drifts = 20

    @Flag(help: "Print one JSON object a row and nothing else.")
    var json = false

    private static let spacing = 500.0..<1500.0
    private static let tolerance = 300

    private struct Stream {
        var mistakes: [Double] = []
        var drifts: [Int] = []
    }

    private struct Score: Encodable {
        var detector: String
        var alarms = 0, found = 0, delays = 0, drifts = 0, samples = 0

        var precision: Double { alarms == 0 ? 0 : Double(found) / Double(alarms) }
        var recall: Double { drifts == 0 ? 0 : Double(found) / Double(drifts) }
        var delay: Double { found == 0 ? 0 : Double(delays) / Double(found) }
        /// In an hour of 30 samples a second.
        var falseAlarmsAnHour: Double { Double(alarms - found) / Double(samples) * 30 * 3600 }

        private enum CodingKeys: CodingKey { case detector, alarms, precision, recall, delay, falseAlarmsAnHour }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(detector, forKey: .detector)
            try container.encode(alarms, forKey: .alarms)
            try container.encode(precision, forKey: .precision)
            try container.encode(recall, forKey: .recall)
            try container.encode(delay, forKey: .delay)
            try container.encode(falseAlarmsAnHour, forKey: .falseAlarmsAnHour)
        }
    }

    func run() throws {
        let all = (0..<streams).map { stream(seed: UInt64($0)) }
        if !json { print("detector               alarms  precision  recall  delay  false alarms an hour") }
        for (name, _) in driftDetectors where name != "EveryN" {
            let score = try score(name, [:], all)
            try show(score)
            guard score.alarms > 0 else { continue }
            var baseline = try self.score("EveryN", ["every": .integer(max(1, score.samples / score.alarms))], all)
            baseline.detector = "  at intervals"
            try show(baseline)
        }
    }

    private func stream(seed: UInt64) -> Stream {
        var random = RandomSource(seed: seed)
        var stream = Stream()
        var rate = 0.2
        for part in 0...drifts {
            if part > 0 {
                let step = random.uniform(in: 0.1..<0.3)
                rate += rate - step < 0.02 || (rate + step < 0.6 && random.uniform() < 0.5) ? step : -step
                stream.drifts.append(stream.mistakes.count)
            }
            for _ in 0..<Int(random.uniform(in: Self.spacing)) { stream.mistakes.append(random.uniform() < rate ? 1 : 0) }
        }
        return stream
    }

    private func score(_ name: String, _ settings: JSON, _ streams: [Stream]) throws -> Score {
        var score = Score(detector: name)
        for stream in streams {
            var detector = try NamedDetector(name, settings: settings)
            var unfound = stream.drifts[...]
            for (index, mistake) in stream.mistakes.enumerated() where detector.update(mistake) {
                score.alarms += 1
                unfound = unfound.drop { $0 + Self.tolerance < index }
                guard let drift = unfound.first, drift <= index else { continue }
                score.found += 1
                score.delays += index - drift
                unfound.removeFirst()
            }
            score.drifts += stream.drifts.count
            score.samples += stream.mistakes.count
        }
        return score
    }

    private func show(_ score: Score) throws {
        if json {
            print(String(decoding: try JSONEncoder().encode(score), as: UTF8.self))
        } else {
            print(
                score.detector.padding(toLength: 20, withPad: " ", startingAt: 0)
                    + String(
                        format: "%9d %10.2f %7.2f %6.0f %21.1f", score.alarms, score.precision, score.recall, score.delay,
                        score.falseAlarmsAnHour))
        }
    }
}
