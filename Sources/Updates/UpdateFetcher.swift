import Foundation
import Messaging
import Pipeline
import Schema
import Statistics

/// A subscriber's side of missing updates: asks which lead to the newest version, receives them piece by piece, and gives them in order.
///
/// What has come stays where the connection breaks, and is gone on with. One question is open at a time; what does not come is asked for
/// again, each time after twice as long.
public struct UpdateFetcher: Sendable {
    /// An update whose payload is complete.
    public struct Fetched: Sendable {
        public let update: ModelUpdate
        public let payload: [UInt8]

        /// The frames in which it was published, as its passport tells them; the payload as one where it has none.
        public var frames: [Range<Int>] {
            let sizes = (try? Passport(serializedBytes: update.passport.passport))?.parts.map { Int(clamping: $0.size) } ?? []
            var end = 0, frames: [Range<Int>] = []
            for size in sizes where size <= payload.count - end {
                frames.append(end..<end + size)
                end += size
            }
            return end == payload.count && frames.count == sizes.count ? frames : [payload.indices]
        }
    }

    private enum Step { case idle, asked, receiving }

    private let largest: Int
    private var step = Step.idle
    private var wanted: [ModelUpdate] = []
    private var received: [UInt8] = []
    /// When the open question was asked, and the pause before it is asked again.
    private var asked: Instant?, pause = firstPause
    /// When a round led nowhere, and the pause before the next.
    private var discarded: Instant?, roundPause = firstPause
    private var failures = 0
    /// Whether anything was there when it was asked what leads on.
    private var hasVersion = false
    /// Bytes received.
    public private(set) var bytes: UInt64 = 0

    private static let firstPause = Duration.milliseconds(500), longestPause = Duration.seconds(60)
    /// After so many damaged pieces in a row, it is asked anew what leads to the newest version.
    private static let mostFailures = 8
    /// The most updates of one answer.
    private static let mostUpdates = 4_096

    /// - Parameter largest: the greatest payload, bytes.
    public init(largest: Int) { self.largest = largest }

    /// Whether anything is being fetched.
    public var isActive: Bool { step != .idle }

    /// The next request, where one is due.
    /// - Parameters:
    ///   - position: what is there.
    ///   - isBehind: whether anything is missing.
    public mutating func request(from position: UpdatePosition, isBehind: Bool, at now: Instant) -> UpdateRequest? {
        if step == .idle {
            guard isBehind else { return nil }
            if let discarded, now - discarded < roundPause { return nil }
            step = .asked
        } else if let asked {
            guard now - asked >= pause else { return nil }
            pause = min(Self.longestPause, pause * 2)
        }
        asked = now
        if step == .receiving, let first = wanted.first {
            return .with { $0.piece = .with { ($0.sha256, $0.offset) = (first.sha256, UInt64(received.count)) } }
        }
        (step, hasVersion) = (.asked, !position.state.isEmpty)
        return .with { $0.position = position }
    }

    /// Takes an answer.
    /// - Returns: the update that is complete with it.
    /// - Throws: `wrongDigest` for a damaged piece, or one of another payload; `tooLarge`; the problem that the answer tells.
    public mutating func take(_ answer: UpdateAnswer, piece: [UInt8], at now: Instant) throws(Refusal) -> Fetched? {
        guard answer.problem.isEmpty else {
            // It is asked again later; where the update is not kept any more, what leads to the newest version.
            let isTooMuch = answer.problem == Reason.rateExceeded.rawValue
            if !isTooMuch { discard(at: now) }
            pause = min(Self.longestPause, pause * 2)
            throw Refusal(isTooMuch ? .rateExceeded : .noUpdate, "the learner has nothing: \(answer.problem.prefix(64))")
        }
        switch step {
        case .idle: return nil
        case .asked:
            guard answer.piece.sha256.isEmpty else { return nil }  // late
            return try begin(answer, at: now)
        case .receiving: return try take(piece, of: answer, at: now)
        }
    }

    /// Gives up what is being fetched: what came was refused. The next round begins later, each time after twice as long.
    public mutating func discard(at now: Instant) {
        (step, wanted, received, failures, pause, asked) = (.idle, [], [], 0, Self.firstPause, nil)
        discarded = now
        roundPause = min(Self.longestPause, roundPause * 2)
    }

    /// Notes that what came was accepted, or came otherwise.
    public mutating func note(accepted version: UInt64) {
        (discarded, roundPause) = (nil, Self.firstPause)
        // What is older is needed no more.
        guard step == .receiving, let first = wanted.first, first.version <= version else { return }
        while let first = wanted.first, first.version <= version { wanted.removeFirst() }
        next()
    }

    private mutating func begin(_ answer: UpdateAnswer, at now: Instant) throws(Refusal) -> Fetched? {
        let sizes = answer.updates.map(\.payloadBytes)
        guard answer.updates.count <= Self.mostUpdates, sizes.allSatisfy({ $0 > 0 && $0 <= UInt64(largest) }) else {
            discard(at: now)
            throw Refusal(.tooLarge, "updates of \(sizes.prefix(8)) bytes; at most \(largest)")
        }
        guard !answer.updates.isEmpty else {
            // Nothing is published yet, or nothing newer.
            (step, discarded, asked, pause) = (.idle, now, nil, Self.firstPause)
            if hasVersion { roundPause = min(Self.longestPause, roundPause * 2) }
            return nil
        }
        // The epoch is the learner's own, as in what it publishes.
        wanted = answer.updates.map { update in
            var update = update
            update.stamp = answer.stamp
            return update
        }
        next()
        return nil
    }

    private mutating func next() {
        step = wanted.isEmpty ? .idle : .receiving
        (received, failures, pause) = ([], 0, Self.firstPause)
        if step == .receiving { asked = nil }
    }

    private mutating func take(_ piece: [UInt8], of answer: UpdateAnswer, at now: Instant) throws(Refusal) -> Fetched? {
        guard let update = wanted.first, !answer.piece.sha256.isEmpty else { return nil }
        // One that was asked for twice comes twice.
        if answer.piece.sha256 == update.sha256, answer.piece.offset < UInt64(received.count) { return nil }
        let room = Int(update.payloadBytes) - received.count
        guard answer.piece.sha256 == update.sha256, answer.piece.offset == UInt64(received.count), (1...room).contains(piece.count),
            Data(piece.withUnsafeBytes { Updates.sha256(of: $0) }) == answer.pieceSha256
        else {
            failures += 1
            if failures >= Self.mostFailures { discard(at: now) }
            throw Refusal(.wrongDigest, "version \(update.version): a piece of \(piece.count) bytes that is not the next")
        }
        received += piece
        bytes = bytes.clampedAdding(UInt64(piece.count))
        (failures, pause, asked) = (0, Self.firstPause, nil)
        guard received.count == Int(update.payloadBytes) else { return nil }
        let payload = received
        wanted.removeFirst()
        next()
        guard Data(payload.withUnsafeBytes { Updates.sha256(of: $0) }) == update.sha256 else {
            discard(at: now)
            throw Refusal(.wrongDigest, "version \(update.version): its pieces are not what its digest says")
        }
        return Fetched(update: update, payload: payload)
    }
}
