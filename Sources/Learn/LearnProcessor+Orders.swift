import Messaging
import Pipeline
import Schema

extension LearnProcessor {
    /// Carries out an order; the message states what was done, or why nothing was.
    mutating func answer(_ order: Order, at now: Instant) -> [Outgoing] {
        var outputs: [Outgoing] = []
        var answer = OrderAnswer.with {
            ($0.orderSource, $0.orderEpoch, $0.orderSequence) = (order.stamp.source, order.stamp.epoch, order.stamp.sequence)
            ($0.momentsSeen, $0.modelVersion) = (progress.momentsSeen, progress.version)
            $0.order = order
        }
        do throws(Refusal) {
            answer.done = try guided.execute(order, kept: kept, at: progress.time).printable(atMost: Self.answerLength)
            answer.accepted = true
            isOrdered = true
            outputs += afterReset(order, at: now)
        } catch {
            answer.reason = error.detail.printable(atMost: Self.answerLength)
            ownTelemetry.drops.count(error.reason, because: answer.reason)
        }
        return outputs + ((try? Topics.orderAnswer("learn")).map { [Outgoing(answer, on: $0)] } ?? [])  // the name is valid
    }

    /// Ends adapters after a reset, and in live mode publishes the initial model, or the version that is gone back to, at once.
    private mutating func afterReset(_ order: Order, at now: Instant) -> [Outgoing] {
        switch order.order {
        case .forgetSource(let session)?:
            forget(session)
            return []
        case .resetSession(let session)?:
            forget(session)
            sessions?.end(session)
            return sessions?.updatesAtOnce(with: progress.version) ?? []
        case .resetAll?:
            forgetTexts(of: nil)
            forgetInfluence()
            asked = []
            sessions?.end(nil)
            (labels, own) = (LabelJoin(patience: labels.patience), LabelJoin(patience: labels.patience))
            progress.local = nil
            backlog = []
            kept.removeAll()
            guard isLive else { return [] }
            let outputs = sessions?.updatesAtOnce(with: progress.version) ?? []
            return outputs + publish("reset", at: now)
        case .rollBack? where isLive && !order.settings.isEmpty: return publish("rolled back", at: now)
        default: return []
        }
    }

    /// Forgets the texts of a session, and its moments that wait: to be learned, for their labels, or for a correction.
    private mutating func forget(_ session: String) {
        forgetTexts(of: session)
        forgetInfluence()
        labels.forget(session: session)
        own.forget(session: session)
        asked.removeAll { $0.moment.session == session }
        backlog.removeAll { $0.moment.moment.session == session }
    }

    /// The most characters of an answer's text, which quotes an order from outside.
    private static let answerLength = 512
}
