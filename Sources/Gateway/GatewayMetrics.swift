import Synchronization

/// What the gateway counts of itself.
final class GatewayMetrics: Sendable {
    /// The counts at one time.
    struct Counts: Sendable {
        /// Requests, events and connections refused, by reason.
        var refusals: [String: UInt64] = [:]
        /// Responses by status.
        var replies: [UInt: UInt64] = [:]
        /// Messages published to the graph, by the first component of their topic.
        var published: [String: UInt64] = [:]
        /// Seconds from a whole request to its response.
        var requests = Histogram()
        /// Seconds from the end of a moment to its prediction, and to the first piece of its answer.
        var predictions = Histogram(), answers = Histogram()
    }

    private let counts = Mutex(Counts())

    /// The counts now.
    var now: Counts { counts.withLock { $0 } }

    /// Counts a refusal. Reasons are words of this module, so their number is bounded.
    func refused(_ reason: String, count: Int = 1) { counts.withLock { $0.refusals[reason, default: 0] += UInt64(count) } }
    func replied(_ status: UInt) { counts.withLock { $0.replies[status, default: 0] += 1 } }
    func answered(after seconds: Double) { counts.withLock { $0.requests.add(seconds) } }
    func published(_ kind: String) { counts.withLock { $0.published[kind, default: 0] += 1 } }
    func predicted(after seconds: Double) { counts.withLock { $0.predictions.add(seconds) } }
    func answeredInWords(after seconds: Double) { counts.withLock { $0.answers.add(seconds) } }
}
