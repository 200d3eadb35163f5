import Messaging
import Pipeline
import Schema

extension LearnProcessor {
    /// Carries out an order; the message states what was done, or why nothing was.
    mutating func answer(_ order: Order) -> [Outgoing] {
        var answer = OrderAnswer.with {
            ($0.orderSource, $0.orderEpoch, $0.orderSequence) = (order.stamp.source, order.stamp.epoch, order.stamp.sequence)
            ($0.momentsSeen, $0.modelVersion) = (progress.momentsSeen, progress.version)
        }
        do throws(Refusal) {
            answer.done = try guided.execute(order, at: progress.time).printable(atMost: Self.answerLength)
            answer.accepted = true
            isOrdered = true
        } catch {
            answer.reason = error.detail.printable(atMost: Self.answerLength)
            ownTelemetry.drops.count(error.reason, because: answer.reason)
        }
        return (try? Topics.orderAnswer("learn")).map { [Outgoing(answer, on: $0)] } ?? []  // the name is valid
    }

    /// The most characters of an answer's text, which quotes an order from outside.
    private static let answerLength = 512
}
