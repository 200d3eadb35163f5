import Foundation
import Learning
import Messaging
import Pipeline
import Schema
import Serving
import Statistics

/// Publishing the model and what was done to it.
extension LearnProcessor {
    mutating func publish(_ reason: String, at now: Instant) -> [Outgoing] {
        progress.version = progress.version.clampedAdding(1)
        cover()
        let explanation = guided.influence?.finish(guided.learner)
        let verdict = guided.decide(at: progress.time)
        isAccepted = verdict.map { $0.decision == .accepted } ?? true
        if isAccepted { progress.servingWatermark = progress.watermark }
        let version = progress.version
        var outputs = newMemory(at: now) + (sessions?.updates(before: version) ?? [])
        let words = verdict.map { $0.decision == .accepted ? reason : "\(reason); \($0.decision.rawValue): \($0.reason)" } ?? reason
        keep(explanation, words, verdict)
        outputs += update(words, verdict, at: now)
        if let verdict { outputs.append(Outgoing(verdict.message(guided.gate, progress), on: Topics.modelVerdict.only)) }
        outputs += newLines()
        progress.momentsPublished = progress.momentsSeen
        lastPublished = now
        if learned > 0 {
            ownTelemetry.latencies["update", default: QuantileSketch()].add(clock.now - Instant(nanoseconds: newestArrival))
        }
        (losses, learned) = (0, 0)
        (stepsPublished, isOrdered) = (guided.learner.steps, false)
        beginInfluence()
        let isStoringDue = !isLive && progress.momentsSeen.clampedSubtracting(progress.momentsStored) >= UInt64(settings.checkpointEvery)
        if progress.isFinished || isStoringDue { save(at: now) }
        if progress.isFinished { settle() }
        return outputs
    }

    /// Whether there is anything new to publish; in lockstep a version is due after a number of moments, changed or not.
    var isMoved: Bool { !isLive || isOrdered || guided.learner.steps != stepsPublished }

    /// The serving model as messages: whole, as a delta, or both.
    /// - Parameter verdict: the gate's, where it decided on this version.
    mutating func update(_ reason: String, _ verdict: GateVerdict? = nil, at now: Instant) -> [Outgoing] {
        ownTelemetry.modelVersion = progress.version
        ownTelemetry.gauges["learningRate"] = guided.learner.optimizer.learningRate
        ownTelemetry.gauges["remembered"] = Double(guided.learner.memorySlots.count)
        ownTelemetry.gauges["rememberedBytes"] = Double(guided.learner.memoryBytes)
        let update = ModelUpdate.with {
            $0.version = progress.version
            $0.parent = progress.version > 0 ? progress.version - 1 : 0
            $0.momentWatermark = progress.servingWatermark
            $0.momentsSeen = progress.momentsSeen
            $0.reason = [reason, guided.privacyStatement].compactMap(\.self).joined(separator: "; ")
            $0.loss = learned > 0 ? losses / Double(learned) : 0
            $0.last = hasEnded
            $0.local = progress.local ?? false
            $0.arrived = newestArrival
            if known > 0 { $0.streamBase = progress.streamBase }
        }
        if published != nil { return smallUpdates(update, verdict, at: now) }
        let parameters = PublishedParameters(guided.serving)
        return [message(update, parameters.payload, parameters.digest, verdict)]
    }

    /// The message of an update that has no payload yet.
    mutating func message(_ update: ModelUpdate, _ payload: Payload, _ digest: Data, _ verdict: GateVerdict?) -> Outgoing {
        var update = update
        update.sha256 = digest
        if update.kind == .whole { update.configuration = store.configuration }
        let frames = payload.cut(into: frameBytes)
        if let passport = passport(of: update, payload: frames, digest: digest, verdict) { update.passport = passport }
        return Outgoing(update, on: (update.kind == .delta ? Topics.modelDelta : Topics.modelUpdate).only, payload: frames)
    }

    /// The ledger's lines that were added or updated since they were last published.
    mutating func newLines() -> [Outgoing] {
        let ledger = guided.ledger
        let new = ledger.entries.filter { $0.serial >= lines.serial || $0.verdict == .quiet && $0.time > lines.time }
        guard let last = ledger.entries.last, !new.isEmpty else { return [] }
        lines = (last.serial + 1, progress.time)
        return [
            Outgoing(
                .with {
                    $0.lines = new.map { $0.message(at: progress.momentsSeen) }
                    $0.dropped = UInt64(ledger.dropped)
                }, on: Topics.triggerLedger.only)
        ]
    }
}
