import Configuration
import Messaging
import MetaLearning
import Model
import Safetensors
import Schema
import Tensors

/// The adapters of sessions as they come in, checked, and put on the shared model for one of their moments at a time.
///
/// They are offsets: few numbers are added, and what was there is put back afterwards, to the bit.
package struct SessionAdapters {
    private struct Revision {
        var update: SessionUpdate
        var offsets: [Float]
    }

    private let layout: ParameterLayout
    private let capacity: Int
    private let revisions: Int
    private var sessions: [String: [Revision]] = [:]
    /// Sessions from the one that was heard of least recently.
    private var order: [String] = []
    private var epoch: UInt64 = 0
    /// What the shared model holds where adapters are on.
    private var plain: [Float]
    private var isWorn = false

    /// Nil where sessions have no adapters of their own.
    package init?(_ settings: GraphSettings, _ model: ParameterLayout) {
        guard settings.personal.enabled else { return nil }
        layout = ParameterLayout(model.parameters.filter(settings.personal.isPersonal))
        capacity = settings.personal.maximumSessions
        revisions = settings.updateCapacity
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
        if let newest = sessions[update.session]?.last?.update.revision, update.revision <= newest {
            throw Refusal(.sequenceRunsBack, "revision \(update.revision) of \(update.session) after \(newest)")
        }
        let offsets = try read(update, message)
        order.removeAll { $0 == update.session }
        order.append(update.session)
        sessions[update.session, default: []].append(Revision(update: update, offsets: offsets))
        if let count = sessions[update.session]?.count, count > revisions { sessions[update.session]?.removeFirst() }
        if order.count > capacity { forget(order[0]) }
    }

    private func read(_ update: SessionUpdate, _ message: WireMessage) throws(Refusal) -> [Float] {
        let payload = try message.joinedPayload()
        guard SHA256.hex(of: payload) == SHA256.hex(Array(update.sha256)) else {
            throw Refusal(.wrongDigest, "revision \(update.revision) of \(update.session)")
        }
        let store = ParameterStore<Float>(layout)
        do throws(SafetensorsError) {
            try TensorArchive(bytes: payload, source: "model.update.\(update.session)").copy(into: store)
        } catch {
            throw Refusal(.wrongModel, error.description)
        }
        return Array(store.values)
    }

    private mutating func forget(_ session: String) {
        sessions[session] = nil
        order.removeAll { $0 == session }
    }

    /// Adds a session's newest adapters that go with a model's version and have learned from nothing at or after moment `ordinal`.
    /// - Returns: their revision, or nil where the session has none.
    package mutating func wear(_ session: String, ordinal: UInt64, version: UInt64, on model: ParameterStore<Float>) -> UInt64? {
        guard let revision = sessions[session]?.last(where: { $0.update.momentWatermark < ordinal && $0.update.version <= version })
        else { return nil }
        for (parameter, range) in zip(layout.parameters, layout.ranges) {
            let values = model[parameter.name]
            for (place, index) in range.enumerated() {
                plain[index] = values[place]
                values[place] += revision.offsets[index]
            }
        }
        isWorn = true
        return revision.update.revision
    }

    /// Puts back what `wear` changed.
    package mutating func takeOff(_ model: ParameterStore<Float>) {
        guard isWorn else { return }
        isWorn = false
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
