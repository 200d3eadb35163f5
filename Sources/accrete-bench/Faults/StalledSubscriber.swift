import Deployment
import Foundation
import Messaging
import Schema

/// How far a subscriber that does not read changes when predictions come to others.
enum StalledSubscriber {
    struct Result: Encodable {
        var without: [PredictionWatch.Figures] = []
        var with: [PredictionWatch.Figures] = []
        /// Median over the rounds of the p99 with it, by that without it in the round before.
        var p99Ratio = 0.0

        var lines: [String] {
            [
                "a stalled subscriber: p99 without \(list(without, \.p99)) ms, with \(list(with, \.p99)) ms, ratio "
                    + String(format: "%.2f", p99Ratio)
            ]
        }
    }

    static func run(in directory: String, rounds: Int, _ seconds: Double, _ settings: [String]) async throws -> Result {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let graph = try FaultyGraph(in: directory, settings)
        defer { graph.stop() }
        let isOver = StopSignal(), endpoint = try graph.endpoint("acknowledged")
        try await Task.sleep(for: .seconds(4))
        let watch = try PredictionWatch(graph)
        var settings = RecordedPublisher.Settings()
        (settings.rate, settings.readingsPerMoment) = (60, 1)
        async let publisher = RecordedPublisher.run(settings, to: endpoint) { isOver.isSet }
        try await Task.sleep(for: .seconds(3))
        var result = Result()
        for _ in 0..<rounds {
            _ = watch.take()
            try await Task.sleep(for: .seconds(seconds))
            result.without.append(watch.take())
            // Everything that fuse and the learner publish, and nothing is read.
            let bus = try ZeroMQBus()
            var limits = Limits()
            (limits.receiveQueue, limits.waitingMessages, limits.waitingBytes) = (1, 1, 1 << 16)
            let endpoints = [try graph.endpoint("fuse"), try graph.endpoint("learn")]
            let stalled = try bus.subscriber(to: [Subscription(endpoints, topics: [""])], limits: limits, overflow: .backpressure)
            _ = watch.take()
            try await Task.sleep(for: .seconds(seconds))
            result.with.append(watch.take())
            stalled.cancel()
            await bus.end()
        }
        isOver.raise()
        _ = try await publisher
        await watch.end()
        result.p99Ratio = zip(result.without, result.with).map { $1.p99 / max($0.p99, 1e-9) }.median
        return result
    }
}

/// Milliseconds of a figure of every round.
func list(_ figures: [PredictionWatch.Figures], _ value: KeyPath<PredictionWatch.Figures, Double>) -> String {
    figures.map { String(format: "%.1f", 1e3 * $0[keyPath: value]) }.joined(separator: ", ")
}
