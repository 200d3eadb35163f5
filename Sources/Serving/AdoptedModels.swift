import Messaging
import Pipeline
import Schema
import Statistics
import Tensors
import Updates

/// The newest models that a learner has published and that were checked, for moments that want an older one.
package struct AdoptedModels {
    /// A checked model.
    package struct Version: Sendable {
        package var update: ModelUpdate
        package var parameters: CheckedParameters
    }

    private let layout: ParameterLayout
    /// The most versions that are kept; the oldest is dropped.
    private let capacity: Int
    /// Checks what is inserted.
    private var receiver: ModelReceiver
    /// The kept versions, oldest first.
    package private(set) var versions: [Version] = []

    /// - Parameters:
    ///   - trust: whose updates are believed; nil: all.
    ///   - widestJump: the most versions by which one that is believed may be ahead of the newest.
    package init(layout: ParameterLayout, capacity: Int, trust: UpdateTrust? = nil, widestJump: Int = 0) {
        (self.layout, self.capacity) = (layout, capacity)
        receiver = ModelReceiver(layout.shapes, trust: trust, widestJump: widestJump)
    }

    /// Checks and keeps an update; one that was resent for a late subscriber is ignored.
    /// - Throws: what `ModelReceiver.receive` throws.
    package mutating func insert(_ update: ModelUpdate, payload message: WireMessage) throws(Refusal) {
        let frames = message.payload
        if let version = try receiver.receive(update, parts: frames.map { $0.withUnsafeBytes(\.self) }, owner: frames) { append(version) }
    }

    /// Keeps a version that was checked.
    package mutating func append(_ version: ModelReceiver.Version) {
        versions.append(Version(update: version.update, parameters: CheckedParameters(version, layout)))
        if versions.count > capacity { versions.removeFirst() }
    }

    /// The newest version that has not learned from moment `ordinal` or later ones; older versions are discarded.
    package mutating func version(before ordinal: UInt64) -> Version? {
        let index = versions.lastIndex { $0.update.momentWatermark < ordinal && $0.update.momentsSeen < ordinal }
        guard let index else { return nil }
        versions.removeFirst(index)
        return versions[0]
    }

    /// Whether the version that a lockstep run needs for moment `ordinal` has arrived: the learner publishes every `step` moments.
    package func isCurrent(for ordinal: UInt64, step: Int) -> Bool {
        versions.last.map { ordinal <= $0.update.momentsSeen || ordinal - 1 - $0.update.momentsSeen < UInt64(step) } ?? false
    }
}

extension ParameterLayout {
    /// The names and shapes of the parameters that are published.
    package var shapes: [ModelState.Shape] { parameters.map { .init($0.name, $0.shape) } }
}
