import StrictJSON
import Synchronization

/// Distributes events to the streams that are open. A stream that is read too slowly loses the oldest; they are counted.
final class EventHub: Sendable {
    private struct Stream {
        /// The session whose events it wants; nil: all.
        let session: String?
        /// Whether it may have a session's events.
        let mayWatch: @Sendable (String) -> Bool
        let continuation: AsyncStream<String>.Continuation
    }

    private struct State {
        var streams: [UInt64: Stream] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())
    private let maximumStreams: Int, waiting: Int
    private let metrics: GatewayMetrics

    /// - Parameters:
    ///   - maximumStreams: the most streams at once.
    ///   - waiting: the most events that wait for one.
    init(maximumStreams: Int, waiting: Int, metrics: GatewayMetrics) {
        (self.maximumStreams, self.waiting, self.metrics) = (maximumStreams, waiting, metrics)
    }

    /// Opens a stream; nil where there are too many. It ends when its reader does.
    /// - Parameters:
    ///   - session: the session whose events it wants; nil: all that it may have.
    ///   - mayWatch: whether it may have a session's events.
    func open(session: String?, mayWatch: @escaping @Sendable (String) -> Bool) -> AsyncStream<String>? {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(waiting))
        let number: UInt64? = state.withLock { state in
            guard state.streams.count < maximumStreams else { return nil }
            state.next += 1
            state.streams[state.next] = Stream(session: session, mayWatch: mayWatch, continuation: continuation)
            return state.next
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in self?.close(number) }
        return stream
    }

    private func close(_ number: UInt64) { state.withLock { _ = $0.streams.removeValue(forKey: number) } }

    /// The streams that are open.
    var count: Int { state.withLock { $0.streams.count } }

    /// Sends an event to the streams of its session, and to those of all that may have it.
    /// - Parameter session: nil: to every stream.
    func send(_ event: JSON, of session: String? = nil) {
        let readers = state.withLock { Array($0.streams.values) }.filter { stream in
            session.map { stream.session == $0 || stream.session == nil && stream.mayWatch($0) } ?? true
        }
        guard !readers.isEmpty else { return }
        let text = event.description
        for reader in readers {
            if case .dropped = reader.continuation.yield(text) { metrics.refused("eventOverflow") }
        }
    }
}
