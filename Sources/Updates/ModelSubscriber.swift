import Foundation
import Messaging
import Pipeline
import Schema
import Statistics

/// A subscriber of a learner's model: checks updates, tries each on a probe set of its own beside the version that serves, gives what is to
/// be swapped in between two uses of the model, asks for what it has missed, and reports what became of each update.
///
/// It is a value: who uses it sends what `requests` gives, and calls it with what comes.
public struct ModelSubscriber: Sendable {
    public typealias Version = ModelReceiver.Version

    /// Which versions are adopted.
    public enum Adoption: Sendable, Equatable {
        /// Each that comes.
        case newest
        /// This one, when it comes, and then no other.
        case pinned(UInt64)
        /// None: the version that serves stays.
        case held
    }

    /// What a version loses on the probe set, and what the version loses beside which it was tried.
    public struct Trial: Sendable, Equatable {
        /// Nil where none served.
        public var before: Double?
        public var after: Double
    }

    /// The name by which the learner knows the subscriber.
    public let name: String
    /// The mean loss of a model on the subscriber's own examples; nil: nothing is tried.
    public var probe: (@Sendable (ModelParameters) -> Double)?
    /// Whether the examples stay the same, so that what the serving version loses need not be computed again.
    public var probeIsFixed = true
    /// By how much a version may lose more on the probe set than the one that serves, in the probe's unit.
    public var tolerance = 0.0
    public private(set) var adoption = Adoption.newest
    /// The version that serves, and the one that served before.
    public private(set) var serving: Version?, previous: Version?
    /// Checks what comes.
    public var receiver: ModelReceiver
    private var fetcher: UpdateFetcher
    private let trust: UpdateTrust?
    /// What the serving version loses on the probe set.
    private var loss: Double?
    /// Accepted, and not adopted yet, because others try them first.
    private var waiting: [(version: Version, trial: Trial?, since: Instant)] = []
    private var reports: [UpdateReport] = []
    /// Updates adopted, and refused because of the probe set.
    public private(set) var adopted: UInt64 = 0, worse: UInt64 = 0

    private static let mostWaiting = 64, mostReports = 64
    /// After this many times the wait that an update names, it is adopted although nothing more was heard of it.
    private static let waits = 2.0

    /// - Parameters:
    ///   - name: 1 to 64 letters, digits, `-` or `_`; another for each subscriber.
    ///   - shapes: of the parameters that an update must have.
    ///   - trust: whose updates are believed; nil: all.
    ///   - widestJump: the most versions by which one that is believed may be ahead of the newest.
    ///   - largest: the greatest payload of an update, bytes.
    public init(_ name: String, _ shapes: [ModelState.Shape], trust: UpdateTrust?, widestJump: Int, largest: Int) {
        (self.name, self.trust) = (name, trust)
        receiver = ModelReceiver(shapes, trust: trust, widestJump: widestJump)
        fetcher = UpdateFetcher(largest: largest)
    }

    /// Whether updates that were missed are being asked for.
    public var isFetching: Bool { fetcher.isActive }
    /// Bytes received of what was asked for.
    public var fetchedBytes: UInt64 { fetcher.bytes }

    // MARK: Updates

    /// Checks an update, and decides on it.
    /// - Returns: the version to swap in; nil where nothing changes.
    /// - Throws: what `ModelReceiver.receive` throws; `worseOnProbes`.
    public mutating func take(
        _ update: ModelUpdate, parts: [UnsafeRawBufferPointer], owner: any Sendable, at now: Instant
    ) throws(Refusal) -> Version? {
        let version: Version?
        do throws(Refusal) {
            version = try receiver.receive(update, parts: parts, owner: owner)
        } catch {
            noteRefused(update, error)
            throw error
        }
        return try version.flatMap { version throws(Refusal) in try decide(on: version, at: now) }
    }

    /// Takes the answer to a request.
    /// - Returns: the update that is complete with it, to be given to `take`.
    /// - Throws: what `UpdateFetcher.take` throws.
    public mutating func take(_ answer: UpdateAnswer, piece: [UInt8], at now: Instant) throws(Refusal) -> UpdateFetcher.Fetched? {
        try fetcher.take(answer, piece: piece, at: now)
    }

    /// Notes that an update which was fetched has been refused.
    public mutating func discard(at now: Instant) { fetcher.discard(at: now) }

    /// Reports an update that was refused. One of which the parameters before it are missing may still come.
    public mutating func noteRefused(_ update: ModelUpdate, _ refusal: Refusal) {
        guard ![.missingParent, .sequenceRunsBack].contains(refusal.reason) else { return }
        report(update, adopted: false, because: refusal.reason, before: nil, after: nil)
    }

    /// Decides on a version that was checked: whether it is adopted at once, later or not.
    /// - Parameter trial: where the version has been tried already, by `trial(of:)`.
    /// - Returns: the version to swap in; nil where nothing changes.
    /// - Throws: `worseOnProbes`.
    public mutating func decide(on version: Version, tried trial: Trial? = nil, at now: Instant) throws(Refusal) -> Version? {
        fetcher.note(accepted: version.update.version)
        if version.update.canaryShare > 0, !isCanary(version.update) {
            waiting.append((version, trial, now))
            if waiting.count > Self.mostWaiting { waiting.removeFirst() }
            return nil
        }
        return try adopt(version, trial)
    }

    /// Tries a version on the probe set, beside the version that serves; nil without a probe set. It may take long, and may be called on
    /// another queue with a copy of the subscriber.
    public func trial(of version: Version) -> Trial? {
        probe.map { probe in
            Trial(before: (probeIsFixed ? loss : nil) ?? serving.map { probe($0.parameters) }, after: probe(version.parameters))
        }
    }

    /// Whether this subscriber is among those that try a version first: a share of all, which is another for each version.
    private func isCanary(_ update: ModelUpdate) -> Bool {
        let digest = Array("\(update.version) \(name)".utf8).withUnsafeBytes { sha256(of: $0) }
        let place = digest.prefix(6).reduce(0.0) { $0 * 256 + Double($1) } / 0x1p48
        return place < update.canaryShare
    }

    private mutating func adopt(_ version: Version, _ trial: Trial?) throws(Refusal) -> Version? {
        switch adoption {
        case .newest: break
        case .pinned(let number): guard version.update.version == number else { return nil }
        case .held: return nil
        }
        let trial = trial ?? self.trial(of: version)
        if let trial {
            let (before, after) = (trial.before, trial.after)
            loss = before
            if !after.isFinite || before.map({ after > $0 + tolerance }) == true {
                worse = worse.clampedAdding(1)
                report(version.update, adopted: false, because: .worseOnProbes, before: before, after: after)
                throw Refusal(.worseOnProbes, "version \(version.update.version) loses \(after) on the probe set, not \(before ?? 0)")
            }
        }
        report(version.update, adopted: true, because: nil, before: trial?.before, after: trial?.after)
        swap(in: version, loss: trial?.after)
        return version
    }

    private mutating func swap(in version: Version, loss: Double?) {
        (previous, serving, self.loss) = (serving, version, loss)
        adopted = adopted.clampedAdding(1)
        waiting.removeAll { $0.version.update.version <= version.update.version }
    }

    // MARK: Trials

    /// Takes the learner's word on versions that others have tried.
    /// - Returns: the version to swap in; nil where nothing changes.
    /// - Throws: what `UpdateTrust.check` throws; `worseOnProbes`.
    public mutating func take(_ release: UpdateRelease) throws(Refusal) -> Version? {
        if let trust { _ = try trust.check(release.hasPassport ? release.passport : nil, of: release.claims, parts: []) }
        guard let index = waiting.firstIndex(where: { $0.version.update.version == release.version }) else { return nil }
        let one = waiting.remove(at: index)
        return release.released ? try adopt(one.version, one.trial) : nil
    }

    /// The newest version that has waited for too long for the learner's word.
    /// - Throws: `worseOnProbes`.
    public mutating func overdue(at now: Instant) throws(Refusal) -> Version? {
        let last = waiting.last { now - $0.since >= .seconds(clamping: Self.waits * $0.version.update.canaryWait) }
        guard let last else { return nil }
        waiting.removeAll { $0.version.update.version <= last.version.update.version }
        return try adopt(last.version, last.trial)
    }

    // MARK: Control

    /// Adopts one version, when it comes, and then no other.
    public mutating func pin(_ version: UInt64) { adoption = .pinned(version) }

    /// Adopts nothing more. What comes is still checked, so that `resume` can go on with the newest.
    public mutating func hold() { adoption = .held }

    /// Adopts each version again, from the next that comes.
    public mutating func resume() { adoption = .newest }

    /// Goes back to the version that served before, and holds it.
    /// - Returns: the version to swap in; nil where there is none.
    public mutating func rollBack() -> Version? {
        guard let version = previous else { return nil }
        (serving, previous, adoption, loss) = (version, nil, .held, nil)
        waiting = []
        report(version.update, adopted: true, because: .rolledBack, before: nil, after: nil)
        return version
    }

    // MARK: Requests

    private mutating func report(_ update: ModelUpdate, adopted: Bool, because reason: Reason?, before: Double?, after: Double?) {
        reports.append(
            .with {
                ($0.version, $0.sha256, $0.adopted, $0.reason) = (update.version, update.sha256, adopted, reason?.rawValue ?? "")
                if let before, before.isFinite { $0.lossBefore = before }
                if let after, after.isFinite { $0.lossAfter = after }
            })
        if reports.count > Self.mostReports { reports.removeFirst() }
    }

    /// What is to be sent to the learner now: reports, and the next question where something is missing.
    /// - Parameter asks: whether there is room for what is asked for.
    public mutating func requests(at now: Instant, asks: Bool = true) -> [UpdateRequest] {
        defer { reports = [] }
        let question = asks ? fetcher.request(from: receiver.position, isBehind: receiver.isBehind || receiver.newest == nil, at: now) : nil
        return reports.map { report in .with { $0.report = report } } + [question].compactMap(\.self)
    }
}

extension Reason {
    /// A version that loses more on the subscriber's own examples than the one that serves.
    public static let worseOnProbes = Reason(rawValue: "worseOnProbes")
}
