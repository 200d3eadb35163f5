import Messaging
import Model
import Moments
import Pipeline
import Schema
import Statistics

/// Learning from moments and the labels that cite them.
extension LearnProcessor {
    /// Counts a moment, and publishes the model before it where that is due.
    mutating func see(_ ordinal: UInt64, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard ordinal > progress.momentsSeen else {
            isAhead = isLive
            throw Refusal(.sequenceRunsBack, "moment \(ordinal) after \(progress.momentsSeen)")
        }
        guard ordinal - progress.momentsSeen <= Self.widestGap else {
            throw Refusal(.wrongShape, "moment \(ordinal) after \(progress.momentsSeen)")
        }
        var outputs: [Outgoing] = []
        if (ordinal - 1).clampedSubtracting(progress.momentsPublished) >= UInt64(settings.publishEvery) {
            progress.momentsSeen = ordinal - 1
            if isMoved {
                outputs += publish("moments", at: now)
            } else {
                progress.momentsPublished = progress.momentsSeen
                outputs += newLines()
            }
        }
        progress.momentsSeen = ordinal
        return outputs
    }

    mutating func take(_ moment: Moment, _ input: MomentInput, at now: Instant) throws(Refusal) -> [Outgoing] {
        let outputs = try see(moment.ordinal, at: now), isHeldOut = holdOut > 0 && moment.ordinal % holdOut == 0
        guard learns(moment.consent) else {
            if !isHeldOut { withhold(moment, input) }
            return outputs
        }
        progress.time = max(progress.time, isLive ? now.nanoseconds : moment.end)
        newestArrival = moment.arrived
        if !moment.domain.isEmpty, moment.domain != progress.domain {
            if !progress.domain.isEmpty { guided.endDomain(accepted: isAccepted) }
            progress.domain = moment.domain
        }
        if isHeldOut { return outputs }  // held out for the evaluator
        for late in labels.overdue(at: moment.ordinal) {
            if late.moment.kind == .labelRequest { ownTelemetry.drops.count(.labelNeverCame) }
            guided.note("join_rate", labels.joinRate)
            learn(late, at: now)
        }
        // A private learner takes each moment once, so each waits for what feedback may say.
        let requestsLabel = moment.kind == .labelRequest || privacy.learning.enabled
        labels.wait(moment, input, isDue: requestsLabel)
        noteAsked(.init(moment: moment, input: input, isDue: false))
        if !requestsLabel { learn(.init(moment: moment, input: input), at: now) }
        return outputs
    }

    mutating func take(_ feedback: Feedback, at now: Instant) throws(Refusal) {
        guard feedback.hasLabel || !feedback.text.isEmpty, !withhold(feedback) else { return }
        let classes = guided.learner.model.configuration.classes
        guard !feedback.hasLabel || feedback.isWithin(classes) else {
            throw Refusal(.labelOutOfRange, "label \(feedback.label) of \(feedback.classes) classes, the model knows \(classes)")
        }
        let isOnce = feedback.text.isEmpty || privacy.learning.enabled, found = labels.join(feedback)
        switch isOnce ? found : found.orAsked(self.asked(by: feedback)) {
        case .joined(var complete):
            complete.moment.consent = complete.moment.consent.orStricter(feedback.consent)
            if feedback.hasLabel {
                complete.input.label = Int(feedback.label)
                complete.input.classes = feedback.classes > 0 ? min(Int(feedback.classes), classes) : nil
            }
            if !feedback.text.isEmpty {
                let answer = tokenizer.encodeText(Array(feedback.text.utf8))
                complete.input.answer = Array(answer.prefix(guided.learner.model.configuration.text.length))
                ownTelemetry.gauges["corrections", default: 0] += 1
                if !privacy.learning.enabled { remember(feedback, of: complete) }
            }
            if let delay = feedback.delay(of: complete.moment) { ownTelemetry.latencies["label", default: QuantileSketch()].add(delay) }
            guided.note("join_rate", labels.joinRate)
            learn(complete, at: now)
        case .tooLate:
            throw Refusal(.labelTooLate, "the moment of \(feedback.session) at \(feedback.momentEnd) was learned without its label")
        case .orphan:
            if holdOut > 0 { return }  // it may belong to a held-out moment
            throw Refusal(.orphanLabel, "no moment waits for the label of \(feedback.session) at \(feedback.momentEnd)")
        }
    }

    /// Learns a complete moment: in lockstep at once, live when no input waits.
    mutating func learn(_ complete: LabelJoin.Waiting, at now: Instant) {
        guard isLive else { return step(from: complete) }
        backlog.append((complete, now))
        if backlog.count > Self.mostBacklog { postpone(backlog.removeFirst().moment) }
    }

    /// The most moments that wait for their steps.
    private static let mostBacklog = 1_024

    /// Learns from the newest moment that waits, or makes a further step from a correction; what has waited too long is remembered only.
    mutating func workOff(at now: Instant) {
        let patience = Duration.seconds(clamping: settings.maximumLatency)
        func isLate(_ one: (moment: LabelJoin.Waiting, since: Instant)) -> Bool {
            now - one.since > patience && one.moment.input.answer == nil
        }
        for one in backlog where isLate(one) { postpone(one.moment) }
        backlog.removeAll(where: isLate)
        if !guided.continueCorrection(), let newest = backlog.popLast() { step(from: newest.moment) }
    }

    /// Remembers a moment, to be replayed, without a step of its own.
    mutating func postpone(_ complete: LabelJoin.Waiting) {
        // A private learner has a place for each moment, whatever it holds.
        let isInstructive = complete.input.isInstructive
        guard isInstructive || privacy.learning.enabled else { return }
        do {
            guard try guided.remember(complete.input, source: complete.moment.session) else {
                if isInstructive { ownTelemetry.drops.count(.shed) }
                return
            }
            noteLearned(complete.moment.consent)
            ownTelemetry.gauges["postponed", default: 0] += 1
            texts.remember(complete)
        } catch {
            ownTelemetry.drops.count(.wrongShape)
        }
    }

    private mutating func step(from complete: LabelJoin.Waiting) {
        let (watermark, serving) = (progress.watermark, guided.serving)
        sessions?.add(complete.moment, complete.input, watermark: watermark, shared: serving)
        progress.watermark = max(progress.watermark, complete.moment.ordinal)
        let (start, moment) = (clock.now, complete.moment)
        defer { learning += clock.now - start }
        do {
            // nothing to learn from
            let outcome = try guided.learn(
                complete.input, source: moment.session, name: moment.id, at: progress.time, correctsLater: isLive
            ) { texts.remember(complete, predicted: $0) }
            guard let outcome else { return }
            noteLearned(complete.moment.consent)
            if let problem = guided.learner.privacyProblem { ownTelemetry.drops.count(.checkpointFailed, because: problem) }
            guard outcome.stepped else { return ownTelemetry.drops.count(.nonFinite) }
            // A mean of losses that nothing hides is not published.
            if !privacy.learning.enabled { losses += outcome.losses.total.isFinite ? outcome.losses.total : 0 }
            learned += 1
            ownTelemetry.gauges["learned", default: 0] += 1
        } catch {
            ownTelemetry.drops.count(.wrongShape)
        }
    }

    /// The widest plausible gap between ordinals: a moment beyond it does not belong to this numbering.
    static let widestGap: UInt64 = 1 << 40
}
