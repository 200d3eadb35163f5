import Pipeline
import Schema
import Synchronization

/// Passes the pieces of answers to those who wait for them, by moment.
final class AnswerDesk: Sendable {
    /// Why no further piece comes.
    enum Failure: Error, Equatable { case lost, late }

    private struct Waiting {
        let continuation: AsyncThrowingStream<Answer, any Error>.Continuation
        var deadline: Instant
        /// The index of the piece that comes next.
        var next: UInt32 = 0
    }

    private let waiting = Mutex<[String: Waiting]>([:])
    private let maximum: Int, patience: Duration, pieces: Int
    private let clock: any TimeSource

    /// - Parameters:
    ///   - maximum: the most answers that are waited for.
    ///   - patience: the longest wait for a piece.
    ///   - pieces: the most pieces of an answer that wait for a slow reader.
    init(maximum: Int, patience: Duration, pieces: Int, clock: any TimeSource) {
        (self.maximum, self.patience, self.pieces, self.clock) = (maximum, patience, pieces, clock)
    }

    /// The number of answers that are waited for.
    var count: Int { waiting.withLock { $0.count } }

    /// Waits for the answer to a moment, before it is asked.
    /// - Returns: its pieces; the stream throws `Failure`. Nil where too many wait.
    func open(_ moment: String) -> AsyncThrowingStream<Answer, any Error>? {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Answer.self, bufferingPolicy: .bufferingOldest(pieces))
        let deadline = clock.now + patience
        let isOpen = waiting.withLock { waiting in
            guard waiting.count < maximum else { return false }
            waiting[moment] = Waiting(continuation: continuation, deadline: deadline)
            return true
        }
        guard isOpen else { return nil }
        continuation.onTermination = { [weak self] _ in self?.waiting.withLock { _ = $0.removeValue(forKey: moment) } }
        return stream
    }

    /// Passes on a piece.
    func take(_ answer: Answer) {
        let deadline = clock.now + patience
        let found = waiting.withLock { waiting -> (AsyncThrowingStream<Answer, any Error>.Continuation, isNext: Bool)? in
            guard let one = waiting[answer.moment] else { return nil }
            waiting[answer.moment]?.deadline = deadline
            waiting[answer.moment]?.next = one.next &+ 1
            return (one.continuation, answer.piece == one.next)
        }
        guard let (continuation, isNext) = found else { return }
        guard isNext else { return continuation.finish(throwing: Failure.lost) }
        if case .dropped = continuation.yield(answer) { return continuation.finish(throwing: Failure.lost) }
        if !answer.end.isEmpty { continuation.finish() }
    }

    /// Ends the waits that have lasted too long; to be called a few times a second.
    func expire() {
        let now = clock.now
        let late = waiting.withLock { waiting in waiting.values.filter { $0.deadline < now }.map(\.continuation) }
        for one in late { one.finish(throwing: Failure.late) }
    }
}
