import Foundation
import Messaging
import Schema
import Statistics

/// The versions that a receiver has believed: a later update has to go on from them.
public struct UpdateHistory: Sendable {
    /// The newest version that was believed; nil before the first.
    public private(set) var newest: UInt64?
    private var digest = Data(), state = Data()
    private var serial: UInt64 = 0
    private var expires: Int64 = .max
    private let widestJump: UInt64

    /// - Parameter widestJump: the most versions by which one may be ahead of the newest.
    public init(widestJump: Int) { self.widestJump = UInt64(clamping: widestJump) }

    /// Whether an update is the newest again, as it is sent to late subscribers.
    public func isRepetition(_ passport: Passport) -> Bool {
        passport.version == newest && (passport.state.isEmpty ? passport.sha256 == digest : passport.state == state)
    }

    /// Whether nothing newer has come for longer than the newest is believed: the stream is held up, or the learner does not publish.
    public func isFrozen(at now: Int64) -> Bool { newest != nil && now >= expires }

    /// Checks an update against those before.
    /// - Throws: `unknownKey`, `rolledBack`, `fastForward`, `wrongParent`.
    public func check(_ verified: VerifiedPassport) throws(Refusal) {
        let passport = verified.passport
        guard verified.certificate.serial >= serial else {
            throw Refusal(.unknownKey, "version \(passport.version) is signed with a key that a later one has replaced")
        }
        guard let newest else { return }
        guard passport.version > newest else { throw Refusal(.rolledBack, "version \(passport.version) after \(newest)") }
        guard passport.version - newest <= widestJump else {
            throw Refusal(.fastForward, "version \(passport.version) after \(newest); at most \(widestJump) further")
        }
        let isChild = passport.parentState.isEmpty ? passport.parent.isEmpty || passport.parent == digest : passport.parentState == state
        guard passport.parentVersion != newest || isChild else {
            throw Refusal(.wrongParent, "version \(passport.version) was learned from another version \(newest)")
        }
    }

    /// Notes an update that was believed and whose parameters are whole.
    public mutating func note(_ verified: VerifiedPassport) {
        let passport = verified.passport
        (newest, digest, state, expires) = (passport.version, passport.sha256, passport.state, passport.expires)
        serial = verified.certificate.serial
    }
}
