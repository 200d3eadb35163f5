import Foundation
import Messaging
import Pipeline
import Safetensors
import Schema
import Statistics

/// Writes and signs the passports of a learner's updates.
public struct PassportSigner: Sendable {
    private let keys: UpdateKeys
    private let base: [UInt8], settings: [UInt8]
    private let code: String
    private let lifetime: Int64
    /// Of the time in passports.
    private let clock: any TimeSource
    private var online: UpdateKeys.Online
    /// The digest of the payload that was signed last, by topic.
    private var parents: [String: Data] = [:]

    /// - Parameters:
    ///   - keys: the directory with the learner's key.
    ///   - base: SHA-256 of what the numbers belong to.
    ///   - settings: SHA-256 of the learner's settings.
    ///   - code: version of the program.
    ///   - lifetime: seconds for which a passport is believed.
    ///   - clock: the wall clock.
    /// - Throws: `FileError` and `UpdateKeyError` where there is no key, or it has expired.
    public init(
        _ keys: UpdateKeys, base: [UInt8], settings: [UInt8], code: String, lifetime: Double, clock: any TimeSource = WallClock()
    ) throws {
        (self.keys, self.base, self.settings, self.code, self.clock) = (keys, base, settings, code, clock)
        self.lifetime = Int64(nanosecondsIn: lifetime)
        online = try keys.online()
        guard online.expires > clock.now.nanoseconds else {
            throw UpdateKeyError("\(keys.onlineKey) has expired; make another with accrete keys sign")
        }
    }

    /// Half of a passport's life: after it an update should be published again, that none expires while nothing is learned.
    public var renewal: Duration { .nanoseconds(lifetime / 2) }

    /// Signs an update.
    /// - Parameters:
    ///   - passport: what the caller knows of the update: topic, versions, ordinals, cause, evidence.
    ///   - payload: its frames.
    ///   - digest: SHA-256 of all frames.
    /// - Returns: the signed passport; nil where the key has expired and no newer one is there.
    public mutating func sign(_ passport: Passport, payload: [Payload], digest: Data) -> SignedPassport? {
        let now = clock.now.nanoseconds
        if online.expires <= now.clampedAdding(lifetime), let newer = try? keys.online(), newer.expires > online.expires { online = newer }
        guard online.expires > now else { return nil }
        var passport = passport
        passport.parent = parents[passport.topic] ?? Data()
        (passport.base, passport.settings, passport.code) = (Data(base), Data(settings), code)
        passport.sha256 = digest
        passport.parts = payload.map { part in
            .with {
                $0.size = UInt64(part.count)
                $0.sha256 = payload.count == 1 ? digest : part.withUnsafeBytes { Data(sha256(of: $0)) }
            }
        }
        (passport.created, passport.expires) = (now, min(now.clampedAdding(lifetime), online.expires))
        guard let bytes: [UInt8] = try? passport.serializedBytes() else { return nil }  // a message without required fields has bytes
        parents[passport.topic] = digest
        return .with {
            $0.passport = Data(bytes)
            $0.signature = Data(online.key.signature(of: Signed.passport.message(bytes)))
            $0.certificate = Data(online.certificate)
            $0.certificateSignature = Data(online.signature)
        }
    }
}

/// SHA-256 of some bytes.
func sha256(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.digest()
}
