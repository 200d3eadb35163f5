import Configuration
import Foundation
import Learning
import Messaging
import MetaLearning
import Model
import Pipeline
import Safetensors
import Schema
import Statistics
import Tensors

/// The learner's part of sessions' own adapters: adapts to moments before the shared model learns from them, and publishes
/// `model.update.<session>/`.
///
/// In lockstep new adapters are published before the next model, and used with it; in live mode they are published at once.
struct SessionPublisher {
    private let tasks: SessionTasks
    private let settings: PersonalConfiguration
    private let isLive: Bool
    /// Whether only processes of this machine can hear of adapters.
    let staysHere: Bool
    private let frameBytes: Int
    /// Measures how long adapting took, and in live mode limits it; nothing else depends on it.
    private let clock: any TimeSource
    private var waiting: [(adapted: SessionTasks.Adapted, watermark: UInt64)] = []
    private var latency = QuantileSketch()
    private var updatesSent = 0
    /// Why the checkpoint's state could not be used; nil where it could.
    private(set) var problem: String?

    /// Nil where sessions have no adapters.
    /// - Parameter opened: the checkpoint to continue from.
    init?(_ settings: GraphSettings, _ model: MultimodalModel, clock: any TimeSource, from opened: CheckpointDirectory.Opened? = nil) throws
    {
        guard settings.personal.enabled else { return nil }
        self.settings = settings.personal
        self.clock = clock
        isLive = settings.mode == .live
        staysHere = settings.endpoints.learnStaysHere
        frameBytes = settings.messaging.frameBytes
        tasks = SessionTasks(try PersonalLearner(model, settings.personal))
        if let path = opened?[Self.name] { try restore(from: path) }
    }

    /// Adds a moment to its session, and adapts when the session has enough of them.
    /// - Parameters:
    ///   - watermark: greatest ordinal of the moments added before.
    ///   - shared: the shared parameters before they learn from the moment.
    ///   - alone: whether nothing but its session's adapters may learn from it.
    mutating func add(_ moment: Moment, _ input: MomentInput, watermark: UInt64, shared: ParameterStore<Float>, alone: Bool = false) {
        let start = clock.now
        let goesOn: () -> Bool = { [settings, isLive, clock] in !isLive || clock.now - start < .seconds(clamping: settings.budget) }
        let adapted =
            alone
            ? tasks.adaptAlone(to: input, of: moment.session, shared: shared, goesOn: goesOn)
            : tasks.add(input, of: moment.session, shared: shared, goesOn: goesOn)
        if !tasks.gain.isTrusted { waiting.removeAll() }
        guard let adapted else { return }
        latency.add(clock.now - start)
        waiting.removeAll { $0.adapted.session == adapted.session }
        waiting.append((adapted, max(watermark, moment.ordinal)))
    }

    /// The updates to be sent now.
    /// - Parameter version: of the model that is sent after them, or in live mode of the last one sent.
    mutating func updates(before version: UInt64) -> [Outgoing] {
        let updates =
            tasks.takeReleased().compactMap { ended($0, version) } + waiting.compactMap { update($0.adapted, $0.watermark, version) }
        waiting.removeAll()
        updatesSent += updates.count
        return updates
    }

    /// Ends the adapters of a session, and forgets its moments; without one, restores the state before the first moment.
    mutating func end(_ session: String?) {
        waiting.removeAll { session == nil || $0.adapted.session == session }
        if let session { tasks.discard(session) } else { tasks.reset() }
    }

    /// In live mode, updates that do not wait for the next model.
    mutating func updatesAtOnce(with version: UInt64) -> [Outgoing] { isLive ? updates(before: version) : [] }

    func addGauges(to telemetry: inout Telemetry) {
        telemetry.gauges["personalTasks"] = Double(tasks.learner.episodes)
        telemetry.gauges["personalUpdates"] = Double(updatesSent)
        telemetry.gauges["personalGain"] = tasks.gain.mean
        telemetry.gauges["personalTrusted"] = tasks.gain.isTrusted ? 1 : 0
        telemetry.gauges["personalExpired"] = Double(tasks.expired)
        telemetry.gauges["personalFailed"] = Double(tasks.failed)
        if tasks.learner.episodes > 0 || updatesSent > 0 { telemetry.latencies["adapting"] = latency }
    }

    private func update(_ adapted: SessionTasks.Adapted, _ watermark: UInt64, _ version: UInt64) -> Outgoing? {
        let published = adapted.adaptation.offsets.withUnsafeBufferPointer { PublishedParameters(tasks.learner.layout, $0) }
        let update = SessionUpdate.with {
            $0.session = adapted.session
            $0.revision = adapted.revision
            $0.version = version
            $0.momentWatermark = watermark
            $0.sha256 = published.digest
            $0.steps = UInt32(adapted.adaptation.steps)
            $0.loss = Double(adapted.adaptation.loss)
            $0.local = adapted.isOwn
        }
        // the session was checked on its way in
        return (try? Topics.sessionUpdate(adapted.session)).map {
            Outgoing(update, on: $0, payload: published.payload.cut(into: frameBytes))
        }
    }

    private func ended(_ session: String, _ version: UInt64) -> Outgoing? {
        let update = SessionUpdate.with {
            $0.session = session
            $0.version = version
            $0.ended = true
        }
        return (try? Topics.sessionUpdate(session)).map { Outgoing(update, on: $0) }  // the session was checked on its way in
    }

    // MARK: Across restarts

    private static let name = "personal.safetensors"

    /// The initial adapters, their rates and the measured gains, as a file of a checkpoint; the adapters of single sessions are not stored.
    /// Empty where a number is not finite.
    var files: [CheckpointDirectory.Content] {
        guard stores.allSatisfy({ $0.store.values.allSatisfy(\.isFinite) }), tasks.gain.tasks.allSatisfy(\.isFinite) else { return [] }
        let parts = stores.flatMap { part, store in
            store.layout.parameters.map {
                TensorContent(name: "\(part).\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
            }
        }
        let gain = tasks.gain.tasks
        return [.init(Self.name, parts + [TensorContent(name: "gain", shape: [gain.count], floats: gain)])]
    }

    /// Nothing is changed unless everything fits and is finite.
    private mutating func restore(from path: String) throws {
        let archive = try TensorArchive(mapping: path)
        do throws(SafetensorsError) {
            let gain = try archive.tensor("gain").floats()
            let values = try stores.map { part, store throws(SafetensorsError) in
                try store.layout.parameters.map { parameter throws(SafetensorsError) in
                    try archive.tensor("\(part).\(parameter.name)", shape: parameter.shape).floats()
                }
            }
            for (store, values) in zip(stores.map(\.store), values) { _ = store.values.update(from: values.joined()) }
            tasks.gain = PersonalGain(capacity: settings.proof, tasks: gain)
        } catch {
            if case .nonFinite = error.reason { return problem = error.description }
            throw CheckpointMismatch(
                "\(error): it belongs to other settings of personal; move the checkpoint away, and sessions start again")
        }
    }

    private var stores: [(name: String, store: ParameterStore<Float>)] { [("start", tasks.learner.start), ("rates", tasks.learner.rates)] }
}
