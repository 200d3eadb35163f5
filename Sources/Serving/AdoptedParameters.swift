import Messaging
import Pipeline
import Schema
import Statistics
import Tensors
import Updates

/// The newest versions of the parameters that a learner has published, each checked as a whole before it is used.
///
/// An update is accepted when it is newer than the last, by its number or by the learner's epoch after a restart. A refused update changes
/// nothing.
package struct AdoptedParameters<Update: ParameterUpdate> {
    /// A checked update.
    package struct Version {
        package var update: Update
        package var parameters: CheckedParameters
    }

    private let layout: ParameterLayout
    /// The most versions that are kept; the oldest is dropped.
    private let capacity: Int
    /// Whose updates are believed, and those that were; nil: all are.
    private let trust: UpdateTrust?
    private var history: UpdateHistory?
    /// The kept versions, oldest first.
    package private(set) var versions: [Version] = []
    private var epoch: UInt64 = 0
    private var newest: UInt64?
    /// The number of updates that did not arrive.
    package private(set) var missed: UInt64 = 0

    /// - Parameters:
    ///   - trust: whose updates are believed; nil: all.
    ///   - widestJump: the most versions by which one that is believed may be ahead of the newest.
    package init(layout: ParameterLayout, capacity: Int, trust: UpdateTrust? = nil, widestJump: Int = 0) {
        self.layout = layout
        self.capacity = capacity
        self.trust = trust
        history = trust.map { _ in UpdateHistory(widestJump: widestJump) }
    }

    /// Whether updates are believed only with a passport, and nothing newer has come for longer than the newest is believed.
    package var isFrozen: Bool { trust.map { history?.isFrozen(at: $0.now) ?? false } ?? false }

    /// Checks and keeps an update; one that was resent for a late subscriber is ignored.
    /// - Parameter message: holds the parameters as payload.
    /// - Throws: `wrongShape`, `wrongDigest`, `nonFinite`, `sequenceRunsBack`, the update's `misfit`; what `UpdateTrust` and `UpdateHistory`
    ///   throw.
    package mutating func insert(_ update: Update, payload message: WireMessage) throws(Refusal) {
        let layout = layout, trust = trust
        try insert(update) { () throws(Refusal) in try CheckedParameters(update, message, layout, trust) }
    }

    /// Keeps an update whose parameters have been checked, or are checked by `parameters` if nothing else speaks against it.
    package mutating func insert(_ update: Update, _ parameters: () throws(Refusal) -> CheckedParameters) throws(Refusal) {
        let isRestart = update.stamp.epoch > epoch
        if let newest, !isRestart, update.number <= newest {
            if update.number == newest { return }
            throw Refusal(.sequenceRunsBack, "\(update.title) after \(newest)")
        }
        guard update.counts.allSatisfy({ $0 <= ReservedNumbers.most }), update.number <= ReservedNumbers.most else {
            throw Refusal(Update.misfit, "\(update.title) with counts \(update.counts)")
        }
        let parameters = try parameters()
        if let passport = parameters.passport {
            try history?.check(passport)
            history?.note(passport)
        }
        if let newest, !isRestart { missed = missed.clampedAdding(update.number.clampedSubtracting(newest).clampedSubtracting(1)) }
        epoch = update.stamp.epoch
        newest = update.number
        versions.append(Version(update: update, parameters: parameters))
        if versions.count > capacity { versions.removeFirst() }
    }

    /// The newest version for which `isWanted` returns true; older ones are discarded.
    package mutating func newest(where isWanted: (Update) -> Bool) -> Version? {
        guard let index = versions.lastIndex(where: { isWanted($0.update) }) else { return nil }
        versions.removeFirst(index)
        return versions[0]
    }
}

/// The published models.
package typealias AdoptedModels = AdoptedParameters<ModelUpdate>

extension AdoptedParameters<ModelUpdate> {
    /// The newest version that has not learned from moment `ordinal` or later ones; older versions are discarded.
    package mutating func version(before ordinal: UInt64) -> Version? {
        newest { $0.momentWatermark < ordinal && $0.momentsSeen < ordinal }
    }

    /// Whether the version that a lockstep run needs for moment `ordinal` has arrived: the learner publishes every `step` moments.
    package func isCurrent(for ordinal: UInt64, step: Int) -> Bool {
        versions.last.map { ordinal <= $0.update.momentsSeen || ordinal - 1 - $0.update.momentsSeen < UInt64(step) } ?? false
    }
}
