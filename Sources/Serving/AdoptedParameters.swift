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

    /// - Parameters:
    ///   - trust: whose updates are believed; nil: all.
    ///   - widestJump: the most versions by which one that is believed may be ahead of the newest.
    package init(layout: ParameterLayout, capacity: Int, trust: UpdateTrust? = nil, widestJump: Int = 0) {
        self.layout = layout
        self.capacity = capacity
        self.trust = trust
        history = trust.map { _ in UpdateHistory(widestJump: widestJump) }
    }

    /// Checks and keeps an update; one that was resent for a late subscriber is ignored.
    /// - Parameter message: holds the parameters as payload.
    /// - Throws: `wrongShape`, `wrongDigest`, `nonFinite`, `sequenceRunsBack`, the update's `misfit`; what `UpdateTrust` and `UpdateHistory`
    ///   throw.
    package mutating func insert(_ update: Update, payload message: WireMessage) throws(Refusal) {
        let isRestart = update.stamp.epoch > epoch
        if let newest, !isRestart, update.number <= newest {
            if update.number == newest { return }
            throw Refusal(.sequenceRunsBack, "\(update.title) after \(newest)")
        }
        guard update.counts.allSatisfy({ $0 <= ReservedNumbers.most }), update.number <= ReservedNumbers.most else {
            throw Refusal(Update.misfit, "\(update.title) with counts \(update.counts)")
        }
        let parameters = try CheckedParameters(update, message, layout, trust)
        if let passport = parameters.passport {
            try history?.check(passport)
            history?.note(passport)
        }
        epoch = update.stamp.epoch
        newest = update.number
        versions.append(Version(update: update, parameters: parameters))
        if versions.count > capacity { versions.removeFirst() }
    }
}
