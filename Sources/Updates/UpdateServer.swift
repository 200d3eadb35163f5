import Foundation
import Messaging
import Pipeline
import Schema
import Statistics

/// The learner's side of subscribers: answers which updates lead to the newest version, sends them in pieces, and counts what became of
/// them.
public struct UpdateServer: Sendable {
    /// An answer, with the piece that it brings.
    public struct Answer: Sendable {
        public var message: UpdateAnswer
        public var piece: [UInt8]
    }

    private struct Subscriber {
        var requests: Allowance, bytes: Allowance
        /// The stamp of its newest report.
        var epoch: UInt64 = 0, sequence: UInt64 = 0
        /// The newest version that it has reported.
        var version: UInt64 = 0
    }

    private let settings: UpdateSettings
    private var library: UpdateLibrary
    private var subscribers: RecentTable<String, Subscriber>
    private var bytes: Allowance
    /// Whether an update is still believed.
    private let trust: UpdateTrust?
    /// A version: its payloads, who has adopted or refused it, and since when its release is open; nil where all adopt it at once.
    private struct Trial {
        let version: UInt64
        var digests: [Data]
        var adopters: Set<String> = [], refusers: Set<String> = []
        var since: Instant?
    }

    /// The newest versions, oldest first.
    private var trials: [Trial] = []
    private static let mostTrials = 64
    /// Pieces sent, and the bytes of these; reports of adopted and of refused updates.
    public private(set) var pieces: UInt64 = 0, pieceBytes: UInt64 = 0, adopted: UInt64 = 0, refused: UInt64 = 0

    /// - Parameter trust: checks whether what is kept is still believed; nil where nothing is signed.
    public init(_ settings: UpdateSettings, trust: UpdateTrust? = nil) {
        (self.settings, self.trust) = (settings, trust)
        library = UpdateLibrary(settings)
        subscribers = RecentTable(capacity: settings.subscribers)
        bytes = Allowance(rate: settings.byteRate)
    }

    /// Subscribers that have adopted the newest version, and that have refused it.
    public var good: Int { trials.last?.adopters.count ?? 0 }
    public var bad: Int { trials.last?.refusers.count ?? 0 }
    /// Subscribers that have asked or reported.
    public var subscriberCount: Int { subscribers.count }

    /// Notes an update that is published.
    public mutating func add(_ update: ModelUpdate, _ frames: [Payload], at now: Instant) {
        library.add(update, frames)
        if let last = trials.indices.last, trials[last].version == update.version {
            trials[last].digests.append(update.sha256)
        } else {
            trials.append(Trial(version: update.version, digests: [update.sha256], since: update.canaryShare > 0 ? now : nil))
            if trials.count > Self.mostTrials { trials.removeFirst() }
        }
    }

    /// The versions whose trials are over: enough subscribers have adopted them, or the others have waited long enough. Then a version is
    /// discarded where more have refused than adopted it.
    public mutating func releases(at now: Instant) -> [UpdateRelease] {
        trials.indices.compactMap { index in
            let trial = trials[index], good = trial.adopters.count, bad = trial.refusers.count
            guard let since = trial.since, let digest = trial.digests.first else { return nil }
            let isReleased = good >= settings.canaryQuorum && good > bad
            guard isReleased || now - since >= .seconds(clamping: settings.canaryWait) else { return nil }
            trials[index].since = nil
            return .with {
                ($0.version, $0.sha256, $0.released) = (trial.version, digest, isReleased || bad <= good)
                ($0.good, $0.bad) = (UInt32(clamping: good), UInt32(clamping: bad))
            }
        }
    }

    /// Answers a request.
    /// - Parameter name: of the subscriber.
    /// - Returns: nil for a report.
    /// - Throws: `rateExceeded`; `noUpdate`; `undecodable` for a request of nothing; `sequenceRunsBack` for a report that came before.
    public mutating func answer(_ request: UpdateRequest, from name: String, at now: Instant) throws(Refusal) -> Answer? {
        var subscriber =
            subscribers[name]
            ?? Subscriber(requests: Allowance(rate: settings.subscriberRate), bytes: Allowance(rate: settings.subscriberByteRate))
        defer { subscribers[name] = subscriber }
        guard subscriber.requests.take(1, at: now) else { throw Refusal(.rateExceeded, "'\(name)' asks too often") }
        var answer = UpdateAnswer.with { $0.request = request.stamp.sequence }
        switch request.request {
        case .position(let position):
            let updates = library.path(from: position) { trust?.isCurrent($0) ?? true }
            let size = updates.reduce(0) { $0 + $1.configuration.utf8.count + $1.passport.passport.count + Self.headerBytes }
            try spend(size, by: &subscriber, name, at: now)
            answer.updates = updates
            return Answer(message: answer, piece: [])
        case .piece(let wanted):
            let piece = try library.piece(wanted)
            try spend(piece.count, by: &subscriber, name, at: now)
            (pieces, pieceBytes) = (pieces.clampedAdding(1), pieceBytes.clampedAdding(UInt64(piece.count)))
            (answer.piece, answer.pieceSha256) = (wanted, Data(piece.withUnsafeBytes { sha256(of: $0) }))
            return Answer(message: answer, piece: piece)
        case .report(let report):
            guard (request.stamp.epoch, request.stamp.sequence) > (subscriber.epoch, subscriber.sequence) else {
                throw Refusal(.sequenceRunsBack, "a report of '\(name)' that came before")
            }
            (subscriber.epoch, subscriber.sequence) = (request.stamp.epoch, request.stamp.sequence)
            note(report, of: name, &subscriber)
            return nil
        case nil: throw Refusal(.undecodable, "a request of '\(name)' that asks nothing")
        }
    }

    /// About the bytes of an update in an answer, beside its texts.
    private static let headerBytes = 512

    private mutating func spend(_ count: Int, by subscriber: inout Subscriber, _ name: String, at now: Instant) throws(Refusal) {
        guard subscriber.bytes.has(at: now), bytes.has(at: now) else { throw Refusal(.rateExceeded, "'\(name)' receives too much") }
        subscriber.bytes.spend(Double(count))
        bytes.spend(Double(count))
    }

    private mutating func note(_ report: UpdateReport, of name: String, _ subscriber: inout Subscriber) {
        subscriber.version = report.version
        if report.adopted { adopted = adopted.clampedAdding(1) } else { refused = refused.clampedAdding(1) }
        guard let index = trials.lastIndex(where: { $0.version == report.version && $0.digests.contains(report.sha256) }),
            trials[index].adopters.count + trials[index].refusers.count < settings.subscribers
        else { return }
        if report.adopted {
            trials[index].adopters.insert(name)
            trials[index].refusers.remove(name)
        } else {
            trials[index].refusers.insert(name)
            trials[index].adopters.remove(name)
        }
    }
}

/// An amount that refills at a rate, up to that of a second. One may take more than is left: what is larger than that waits longer after.
struct Allowance: Sendable {
    private let rate: Double
    private var level: Double
    private var time: Instant?

    init(rate: Double) { (self.rate, level) = (rate, rate) }

    /// Whether anything is left.
    mutating func has(at now: Instant) -> Bool {
        if let time { level = min(rate, level + rate * max(0, (now - time).inSeconds)) }
        time = now
        return level > 0
    }

    mutating func spend(_ amount: Double) { level -= amount }

    mutating func take(_ amount: Double, at now: Instant) -> Bool {
        guard has(at: now) else { return false }
        spend(amount)
        return true
    }
}
