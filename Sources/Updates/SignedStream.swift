import Messaging
import Schema

/// Whose updates are believed where their numbers may begin anew, as those of sessions' adapters do: each has to be signed no earlier than
/// the newest.
public struct SignedStream: Sendable {
    private let trust: UpdateTrust?
    private var newest = Int64.min, serial: UInt64 = 0

    /// - Parameter trust: nil: all updates are believed.
    public init(_ trust: UpdateTrust?) { self.trust = trust }

    /// Checks an update, and notes it.
    /// - Parameter parts: the frames of its payload.
    /// - Throws: what `UpdateTrust.check` throws; `rolledBack`, `unknownKey`.
    public mutating func check(_ update: some SignedUpdate, parts: [UnsafeRawBufferPointer] = []) throws(Refusal) {
        guard let trust else { return }
        let claims = update.claims
        let verified = try trust.check(update.hasPassport ? update.passport : nil, of: claims, parts: parts)
        guard verified.certificate.serial >= serial else {
            throw Refusal(.unknownKey, "an update on \(claims.topic) that is signed with a key that a later one has replaced")
        }
        guard verified.passport.created >= newest else {
            throw Refusal(.rolledBack, "an update on \(claims.topic) that was signed before the newest")
        }
        (newest, serial) = (verified.passport.created, verified.certificate.serial)
    }
}
