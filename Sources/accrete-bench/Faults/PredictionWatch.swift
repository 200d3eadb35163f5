import Foundation
import Messaging
import Schema
import Statistics
import Synchronization

/// Subscribes to a graph's predictions and moments, and measures when they come.
final class PredictionWatch: Sendable {
    struct Figures: Encodable, Sendable {
        var predictions = 0
        var moments = 0
        /// Seconds from the arrival of a moment's end at ingest to the prediction's arrival here.
        var p50 = 0.0
        var p99 = 0.0
    }

    private struct State {
        var sketch = QuantileSketch()
        var predictions = 0
        var moments = 0
    }

    private let state = Mutex(State())
    private let subscriber: Subscriber
    private let bus: ZeroMQBus

    init(_ graph: FaultyGraph, _ security: Security? = nil) throws {
        bus = try ZeroMQBus(security: security)
        subscriber = try bus.subscriber(
            to: [Subscription([try graph.endpoint("fuse")], topics: [Topics.prediction.prefix, Topics.moment.prefix])])
        Task { await watch() }
    }

    private func watch() async {
        for await batch in subscriber {
            var clock = timespec()
            clock_gettime(CLOCK_MONOTONIC, &clock)
            let now = Int64(clock.tv_sec) * 1_000_000_000 + Int64(clock.tv_nsec)
            for index in 0..<batch.count {
                guard Topics.prediction.components(of: batch[index].topic) != nil else {
                    state.withLock { $0.moments += 1 }
                    continue
                }
                guard let prediction: Prediction = try? batch[index].decode() else { continue }
                let seconds = prediction.latency + Double(secondsIn: now.clampedSubtracting(prediction.stamp.time))
                state.withLock { state in
                    state.sketch.add(seconds)
                    state.predictions += 1
                }
            }
        }
    }

    var moments: Int { state.withLock { $0.moments } }

    /// What came since the last call.
    func take() -> Figures {
        state.withLock { state in
            defer { state = State() }
            let (p50, p99) = (state.sketch.quantile(0.5) ?? 0, state.sketch.quantile(0.99) ?? 0)
            return Figures(predictions: state.predictions, moments: state.moments, p50: p50, p99: p99)
        }
    }

    func end() async {
        subscriber.cancel()
        await bus.end()
    }
}
