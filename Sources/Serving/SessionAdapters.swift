import Configuration
import Messaging
import MetaLearning
import Model
import Safetensors
import Schema
import Tensors

/// The adapters of sessions as they are published, applied to the shared model for one moment of their session at a time.
///
/// They are offsets: they are added to a few parameters, whose numbers are restored afterwards, to the bit.
package struct SessionAdapters {
    private let layout: ParameterLayout
    private let capacity: Int
    private let revisions: Int
    private var sessions: [String: AdoptedParameters<SessionUpdate>] = [:]
    /// Sessions from the one that was heard of least recently.
    private var order: [String] = []
    private var epoch: UInt64 = 0
    /// The offsets that are applied.
    private let offsets: ParameterStore<Float>
    /// The shared model's own numbers where offsets are applied.
    private var plain: [Float]
    private var isApplied = false

    /// Nil where sessions have no adapters of their own.
    package init?(_ settings: GraphSettings, _ model: ParameterLayout) {
        guard settings.personal.enabled else { return nil }
        layout = ParameterLayout(model.parameters.filter(settings.personal.isPersonal))
        capacity = settings.personal.maximumSessions
        revisions = settings.updateCapacity
        offsets = ParameterStore(layout)
        plain = Array(repeating: 0, count: layout.count)
    }

    package var count: Int { sessions.count }

    /// - Throws: `wrongDigest`, `wrongModel`, `nonFinite`, `wrongShape`, `sequenceRunsBack`.
    package mutating func insert(_ update: SessionUpdate, payload message: WireMessage) throws(Refusal) {
        if update.stamp.epoch > epoch {
            epoch = update.stamp.epoch
            sessions.removeAll()  // a learner that started again counts revisions anew
            order.removeAll()
        }
        if update.ended { return forget(update.session) }
        var session = sessions[update.session] ?? AdoptedParameters(layout: layout, capacity: revisions)
        try session.insert(update, payload: message)
        sessions[update.session] = session
        order.removeAll { $0 == update.session }
        order.append(update.session)
        if order.count > capacity { forget(order[0]) }
    }

    private mutating func forget(_ session: String) {
        sessions[session] = nil
        order.removeAll { $0 == session }
    }

    /// Adds a session's newest adapters that go with a model's version and have learned from nothing at or after moment `ordinal`.
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

    /// Restores the numbers that `apply` changed.
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
    /// An update of the session that its topic names.
    package func sessionUpdate(of session: String) throws(Refusal) -> SessionUpdate {
        let update: SessionUpdate = try decode()
        guard update.session == session else {
            throw Refusal(.undecodable, "adapters of '\(update.session.prefix(64))' on the topic of \(session)")
        }
        return update
    }
}
