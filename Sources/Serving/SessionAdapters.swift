import Configuration
import Messaging
import MetaLearning
import Model
import Safetensors
import Schema
import Statistics
import Tensors
import Updates

/// The published adapters of sessions, applied to the shared model for one moment of their session at a time.
///
/// They are offsets that are added to a few parameters, whose values are restored exactly afterwards.
package struct SessionAdapters {
    private let layout: ParameterLayout
    private let revisions: Int
    private var sessions: RecentTable<String, AdoptedParameters<SessionUpdate>>
    private var epoch: UInt64 = 0
    private var signed: SignedStream
    /// The offsets that are applied.
    private let offsets: ParameterStore<Float>
    /// The shared model's own values where offsets are applied.
    private var plain: [Float]
    private var isApplied = false

    /// Nil where sessions have no adapters.
    /// - Throws: `FileError` and `UpdateKeyError` where there are no root keys of those whose updates are believed.
    package init?(_ settings: GraphSettings, _ model: ParameterLayout) throws {
        guard settings.personal.enabled else { return nil }
        layout = ParameterLayout(model.parameters.filter(settings.personal.isPersonal))
        sessions = RecentTable(capacity: settings.personal.maximumSessions)
        revisions = settings.updateCapacity
        offsets = ParameterStore(layout)
        signed = SignedStream(try settings.updateTrust())
        plain = Array(repeating: 0, count: layout.count)
    }

    /// The number of sessions that have adapters.
    package var count: Int { sessions.count }

    /// Checks and keeps an update of a session's adapters, or forgets a session that has ended.
    /// - Throws: `wrongDigest`, `wrongModel`, `nonFinite`, `wrongShape`, `sequenceRunsBack`; what `SignedStream.check` throws.
    package mutating func insert(_ update: SessionUpdate, payload message: WireMessage) throws(Refusal) {
        try signed.check(update, parts: message.payload.map { $0.withUnsafeBytes(\.self) })
        if update.stamp.epoch > epoch {
            epoch = update.stamp.epoch
            sessions.removeAll()  // a learner that started again counts revisions from the start
        }
        if update.ended {
            sessions.remove(update.session)
            return
        }
        var session = sessions[update.session] ?? AdoptedParameters(layout: layout, capacity: revisions)
        try session.insert(update, payload: message)
        sessions[update.session] = session
    }

    /// Adds a session's newest adapters that fit a model's version and have not learned from moment `ordinal` or later ones.
    /// - Returns: their revision, or nil where the session has none.
    package mutating func apply(_ session: String, ordinal: UInt64, version: UInt64, on model: ParameterStore<Float>) -> UInt64? {
        let revision = sessions[session]?.versions.last { $0.update.momentWatermark < ordinal && $0.update.version <= version }
        guard let revision else { return nil }
        revision.parameters.copy(into: offsets)
        for (parameter, range) in zip(layout.parameters, layout.ranges) {
            let values = model[parameter.name]
            for (place, index) in range.enumerated() {
                plain[index] = values[place]
                values[place] += offsets.values[index]
            }
        }
        isApplied = true
        return revision.update.revision
    }

    /// Restores the values that `apply` changed.
    package mutating func revert(_ model: ParameterStore<Float>) {
        guard isApplied else { return }
        isApplied = false
        for (parameter, range) in zip(layout.parameters, layout.ranges) {
            let values = model[parameter.name]
            for (place, index) in range.enumerated() { values[place] = plain[index] }
        }
    }
}

extension WireMessage {
    /// The decoded update of the session that the topic names.
    /// - Throws: `undecodable` where the message names another session; as `decode` does.
    package func sessionUpdate(of session: String) throws(Refusal) -> SessionUpdate {
        let update: SessionUpdate = try decode()
        guard update.session == session else {
            throw Refusal(.undecodable, "adapters of '\(update.session.prefix(64))' on the topic of \(session)")
        }
        return update
    }
}
