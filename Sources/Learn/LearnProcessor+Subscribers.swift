import Foundation
import Learning
import Messaging
import Pipeline
import Safetensors
import Schema
import Updates

/// Deltas of the model, and subscribers that ask for what they have missed.
extension LearnProcessor {
    /// The messages of an update where deltas are published, or versions are tried first.
    mutating func smallUpdates(_ update: ModelUpdate, _ verdict: GateVerdict?, at now: Instant) -> [Outgoing] {
        let isWholeDue = update.last || lastWhole.map { now - $0 >= passports?.renewal ?? .seconds(Int64.max) } ?? true
        var contents: [PublishedModel.Content] = []
        do throws(Refusal) {
            let values = UnsafeBufferPointer(guided.serving.values)
            contents = try published?.publish(values, version: update.version, isWholeDue: isWholeDue) ?? []
        } catch {
            ownTelemetry.drops.count(error.reason, because: error.detail)
        }
        return contents.map { content in
            var update = update
            (update.kind, update.state, update.parentState) = (content.kind, content.state, content.parentState)
            if !content.parentState.isEmpty { update.parent = content.parent }
            (update.plainBytes, update.payloadBytes) = (UInt64(content.plainBytes), UInt64(content.payload.count))
            if isLive, !update.last, update.version > 0 {
                (update.canaryShare, update.canaryWait) = (settings.updates.canaryShare, settings.updates.canaryWait)
            }
            if content.kind == .whole { lastWhole = now }
            var hash = SHA256()
            content.payload.withUnsafeBytes { hash.update($0) }
            let message = message(update, content.payload, Data(hash.digest()), verdict)
            if let update = message.message as? ModelUpdate { server?.add(update, message.payload, at: now) }
            return message
        }
    }

    /// Answers a subscriber.
    /// - Throws: what `UpdateServer.answer` throws; the subscriber receives the reason as its answer.
    mutating func answer(_ request: UpdateRequest, from name: String, _ peer: Peer, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard let answer = try server?.answer(request, from: name, at: now), let topic = try? Topics.updateAnswer(name) else { return [] }
        return [Outgoing(answer.message, on: topic, payload: answer.piece.isEmpty ? [] : [Payload(answer.piece)]).only(to: peer)]
    }

    public mutating func refuse(_ message: WireMessage, because refusal: Refusal, at now: Instant) -> [Outgoing] {
        guard let peer = message.peer, let names = Topics.updateRequest.components(of: message.topic),
            let topic = try? Topics.updateAnswer(names[0]), let request = try? UpdateRequest(serializedBytes: Array(message.header))
        else { return [] }
        // A report is not answered.
        if case .report? = request.request { return [] }
        let answer = UpdateAnswer.with { ($0.request, $0.problem) = (request.stamp.sequence, refusal.reason.rawValue) }
        return [Outgoing(answer, on: topic).only(to: peer)]
    }

    /// The learner's word on versions that some subscribers have tried.
    mutating func releases(at now: Instant) -> [Outgoing] {
        guard settings.updates.canaryShare > 0 else { return [] }
        return signed((server?.releases(at: now) ?? []).map { Outgoing($0, on: Topics.modelRelease.only) }, at: now)
    }

    func addSubscribers(to telemetry: inout Telemetry) {
        guard let server else { return }
        telemetry.gauges["updateSubscribers"] = Double(server.subscriberCount)
        telemetry.gauges["updatesAdopted"] = Double(server.adopted)
        telemetry.gauges["updatesRefused"] = Double(server.refused)
        telemetry.gauges["updatePieces"] = Double(server.pieces)
        telemetry.gauges["updatePieceBytes"] = Double(server.pieceBytes)
    }
}
