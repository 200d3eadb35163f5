import Messaging
import Model
import Moments
import Pipeline
import Schema
import Statistics

/// Learning from moments and the labels that cite them.
extension LearnProcessor {
    mutating func take(_ moment: Moment, _ input: MomentInput, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard moment.ordinal > progress.momentsSeen else {
            isAhead = isLive
            throw Refusal(.sequenceRunsBack, "moment \(moment.ordinal) after \(progress.momentsSeen)")
        }
        guard moment.ordinal - progress.momentsSeen <= Self.widestGap else {
            throw Refusal(.wrongShape, "moment \(moment.ordinal) after \(progress.momentsSeen)")
        }
        var outputs: [Outgoing] = []
        if (moment.ordinal - 1).clampedSubtracting(progress.momentsPublished) >= UInt64(settings.publishEvery) {
            progress.momentsSeen = moment.ordinal - 1
            if isMoved {
                outputs += publish("moments", at: now)
            } else {
                progress.momentsPublished = progress.momentsSeen
                outputs += newLines()
            }
        }
        progress.momentsSeen = moment.ordinal
        progress.time = max(progress.time, isLive ? now.nanoseconds : moment.end)
        newestArrival = moment.arrived
        if !moment.domain.isEmpty, moment.domain != progress.domain {
            if !progress.domain.isEmpty { guided.endDomain(accepted: isAccepted) }
            progress.domain = moment.domain
        }
        if holdOut > 0, moment.ordinal % holdOut == 0 { return outputs }  // held out for the evaluator
        for late in labels.overdue(at: moment.ordinal) {
            ownTelemetry.drops.count(.labelNeverCame)
            guided.note("join_rate", labels.joinRate)
            learn(late)
        }
        let requestsLabel = moment.kind == .labelRequest
        let isLate = isLive && now - Instant(nanoseconds: moment.arrived) > .seconds(clamping: settings.maximumLatency)
        labels.wait(moment, input, isDue: requestsLabel, isLate: isLate)
        noteAsked(.init(moment: moment, input: input, isDue: false))
        if !requestsLabel { learn(.init(moment: moment, input: input, isLate: isLate)) }
        return outputs
    }

    mutating func take(_ feedback: Feedback) throws(Refusal) {
        guard feedback.hasLabel || !feedback.text.isEmpty else { return }
        let classes = guided.learner.model.configuration.classes
        guard !feedback.hasLabel || feedback.isWithin(classes) else {
            throw Refusal(.labelOutOfRange, "label \(feedback.label) of \(feedback.classes) classes, the model knows \(classes)")
        }
        switch feedback.text.isEmpty ? labels.join(feedback) : labels.join(feedback).orAsked(self.asked(by: feedback)) {
        case .joined(var complete):
            if feedback.hasLabel {
                complete.input.label = Int(feedback.label)
                complete.input.classes = feedback.classes > 0 ? min(Int(feedback.classes), classes) : nil
            }
            if !feedback.text.isEmpty {
                complete.input.answer = Array(tokenizer.encode(feedback.text).prefix(guided.learner.model.configuration.text.length))
                ownTelemetry.gauges["corrections", default: 0] += 1
                remember(feedback, of: complete)
            }
            if let delay = feedback.delay(of: complete.moment) { ownTelemetry.latencies["label", default: QuantileSketch()].add(delay) }
            guided.note("join_rate", labels.joinRate)
            learn(complete)
        case .tooLate:
            throw Refusal(.labelTooLate, "the moment of \(feedback.session) at \(feedback.momentEnd) was learned without its label")
        case .orphan:
            if holdOut > 0 { return }  // it may belong to a held-out moment
            throw Refusal(.orphanLabel, "no moment waits for the label of \(feedback.session) at \(feedback.momentEnd)")
        }
    }

    mutating func learn(_ complete: LabelJoin.Waiting) {
        let (watermark, serving) = (progress.watermark, guided.serving)
        sessions?.add(complete.moment, complete.input, watermark: watermark, shared: serving)
        progress.watermark = max(progress.watermark, complete.moment.ordinal)
        do {
            if complete.isLate, complete.input.answer == nil {
                guard complete.input.isInstructive else { return }
                guard try guided.remember(complete.input, source: complete.moment.session) else { return ownTelemetry.drops.count(.shed) }
                return ownTelemetry.gauges["postponed", default: 0] += 1
            }
            // nothing to learn from
            let outcome = try guided.learn(complete.input, source: complete.moment.session, at: progress.time, correctsLater: isLive)
            guard let outcome else { return }
            guard outcome.stepped else { return ownTelemetry.drops.count(.nonFinite) }
            losses += outcome.losses.total.isFinite ? outcome.losses.total : 0
            learned += 1
            ownTelemetry.gauges["learned", default: 0] += 1
        } catch {
            ownTelemetry.drops.count(.wrongShape)
        }
    }

    /// The widest plausible gap between ordinals: a moment beyond it does not belong to this numbering.
    static let widestGap: UInt64 = 1 << 40
}
