import FilesTesting
import Foundation
import Glibc
import Messaging
import Pipeline
import Schema
import Synchronization
import Testing
@testable import Updates

/// A clock that stands where a test sets it.
private final class SetClock: TimeSource {
    private let time: Mutex<Int64>
    let identity = "unix"
    var now: Instant { Instant(nanoseconds: time.withLock { $0 }) }

    init(_ nanoseconds: Int64) { time = Mutex(nanoseconds) }

    func advance(_ seconds: Int64) { time.withLock { $0 += seconds * 1_000_000_000 } }
}

/// A root, a learner with a key of its own, and a receiver that believes the root.
private struct Parties {
    let folder = Folder(), clock = SetClock(1_800_000_000_000_000_000)
    var root: UpdateKeys { UpdateKeys(folder.path("root")) }
    var learner: UpdateKeys { UpdateKeys(folder.path("learner")) }
    static let base = [UInt8](repeating: 7, count: 32)

    init(days: Double = 30) throws {
        try root.makeRoot()
        try root.signKey(into: learner, name: "learner", seconds: days * 86_400, at: clock.now.nanoseconds)
    }

    func signer(base: [UInt8] = Self.base) throws -> PassportSigner {
        try PassportSigner(learner, base: base, settings: [1, 2, 3], code: "0.1.0", lifetime: 3_600, clock: clock)
    }

    func trust() throws -> UpdateTrust { try UpdateTrust(learner, base: Self.base, clock: clock) }
}

/// An update as it is received.
private struct Received {
    var update: ModelUpdate
    var frames: [[UInt8]]

    /// A version with a payload of two frames.
    init(_ version: UInt64, _ content: UInt8, by signer: inout PassportSigner) throws {
        let frames = [[UInt8](repeating: content, count: 100), [UInt8](repeating: content &+ 1, count: 60)]
        self.frames = frames
        update = .with {
            ($0.version, $0.parent, $0.momentWatermark, $0.momentsSeen) = (version, version - 1, version &* 8, version &* 8 &+ 2)
            $0.sha256 = Data(frames.joined().withContiguous { sha256(of: $0) })
        }
        let claims = update.claims
        let passport = Passport.with {
            ($0.topic, $0.version, $0.parentVersion) = (claims.topic, claims.version, claims.parentVersion)
            ($0.momentWatermark, $0.momentsSeen, $0.cause) = (claims.momentWatermark, claims.momentsSeen, .trigger)
        }
        let signed = signer.sign(passport, payload: frames.map { Payload($0) }, digest: update.sha256)
        update.passport = try #require(signed)
    }

    func check(_ trust: UpdateTrust) throws(Refusal) -> VerifiedPassport {
        let bytes = frames.map { Payload($0) }
        defer { withExtendedLifetime(bytes) {} }
        return try trust.check(
            update.hasPassport ? update.passport : nil, of: update.claims,
            parts: bytes.map { payload in payload.withUnsafeBytes { $0 } })
    }

    /// The reason of refusal; nil where it is believed.
    func reason(_ trust: UpdateTrust) -> Reason? {
        do throws(Refusal) {
            _ = try check(trust)
            return nil
        } catch {
            return error.reason
        }
    }
}

extension Sequence<UInt8> {
    fileprivate func withContiguous<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { Array(self).withUnsafeBytes(body) }
}

struct UpdateTests {
    /// RFC 8032, section 7.1, test 2.
    @Test func signaturesAreThoseOfTheSpecification() throws {
        func bytes(_ hex: String) -> [UInt8] {
            stride(from: 0, to: hex.count, by: 2).map { UInt8(hex.dropFirst($0).prefix(2), radix: 16) ?? 0 }
        }
        let key = try #require(SigningKey(seed: bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")))
        #expect(key.publicKey == bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        )
        #expect(key.signature(of: [0x72]) == signature)
        #expect(Ed25519.isValid(signature, of: [0x72], by: key.publicKey))
        #expect(!Ed25519.isValid(signature, of: [0x73], by: key.publicKey))
        #expect(!Ed25519.isValid(Array(signature.dropLast()), of: [0x72], by: key.publicKey))
    }

    @Test func whatWasSignedIsBelieved() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer(), history = UpdateHistory(widestJump: 100)
        for version: UInt64 in 1...3 {
            let received = try Received(version, UInt8(version), by: &signer), verified = try received.check(trust)
            try history.check(verified)
            history.note(verified)
            #expect(verified.passport.parts.map(\.size) == [100, 60] && verified.passport.cause == .trigger)
            #expect(verified.passport.parent.isEmpty == (version == 1))
            #expect(verified.passport.code == "0.1.0" && verified.certificate.name == "learner")
        }
        #expect(history.newest == 3)
    }

    @Test func aRolledBackVersionIsRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer(), history = UpdateHistory(widestJump: 100)
        let first = try Received(1, 1, by: &signer).check(trust), second = try Received(2, 2, by: &signer).check(trust)
        history.note(second)
        #expect(throws: Refusal(.rolledBack, "version 1 after 2")) { try history.check(first) }
        // The newest again, with the same number and other content.
        let other = try Received(2, 9, by: &signer).check(trust)
        #expect(history.isRepetition(second.passport) && !history.isRepetition(other.passport))
        #expect(throws: Refusal(.rolledBack, "version 2 after 2")) { try history.check(other) }
    }

    @Test func aFrozenStreamIsNoticedAndOldPassportsAreRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer(), history = UpdateHistory(widestJump: 100)
        let received = try Received(1, 1, by: &signer)
        history.note(try received.check(trust))
        #expect(!history.isFrozen(at: trust.now))
        parties.clock.advance(3_599)
        #expect(received.reason(trust) == nil && !history.isFrozen(at: trust.now))
        parties.clock.advance(1)
        #expect(received.reason(trust) == .expired && history.isFrozen(at: trust.now))
        // What comes from a clock that is far ahead is not believed either.
        parties.clock.advance(-3_600 - 61)
        #expect(received.reason(trust) == .expired)
    }

    @Test func theFramesOfTwoVersionsAreNotMixed() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer()
        let first = try Received(1, 1, by: &signer)
        var mixed = try Received(2, 2, by: &signer)
        mixed.frames[1] = first.frames[1]
        #expect(mixed.reason(trust) == .wrongDigest)
        // The passport of one with the header of the other.
        mixed = try Received(3, 3, by: &signer)
        mixed.update.passport = first.update.passport
        #expect(mixed.reason(trust) == .badSignature)
    }

    @Test func aVersionFarAheadIsRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer(), history = UpdateHistory(widestJump: 100)
        history.note(try Received(5, 1, by: &signer).check(trust))
        try history.check(try Received(105, 2, by: &signer).check(trust))
        let far = try Received(106, 3, by: &signer).check(trust)
        #expect(throws: Refusal(.fastForward, "version 106 after 5; at most 100 further")) { try history.check(far) }
        let last = try Received(.max, 3, by: &signer).check(trust)
        #expect(throws: Refusal.self) { try history.check(last) }
    }

    @Test func anotherBaseOrParentIsRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer(), other = try parties.signer(base: [UInt8](repeating: 8, count: 32))
        #expect(try Received(1, 1, by: &other).reason(trust) == .wrongBase)
        var history = UpdateHistory(widestJump: 100)
        history.note(try Received(1, 1, by: &signer).check(trust))
        var fork = try parties.signer()
        _ = try Received(1, 5, by: &fork)
        let child = try Received(2, 6, by: &fork).check(trust)
        #expect(throws: Refusal(.wrongParent, "version 2 was learned from another version 1")) { try history.check(child) }
    }

    @Test func anUnknownKeyIsRefused() throws {
        let parties = try Parties(), strangers = try Parties()
        var signer = try strangers.signer()
        #expect(try Received(1, 1, by: &signer).reason(parties.trust()) == .unknownKey)
        // A learner's key makes no certificates: a chain of two is none.
        let own = try parties.learner.online()
        let forged = Certificate.with {
            ($0.key, $0.serial, $0.expires) = (Data(SigningKey().publicKey), 9, .max)
        }
        let bytes: [UInt8] = try forged.serializedBytes()
        var received = try Received(1, 1, by: &signer)
        received.update.passport.certificate = Data(bytes)
        received.update.passport.certificateSignature = Data(own.key.signature(of: Signed.certificate.message(bytes)))
        #expect(received.reason(try parties.trust()) == .unknownKey)
    }

    @Test func aKeyThatWasReplacedIsRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var old = try parties.signer(), history = UpdateHistory(widestJump: 100)
        history.note(try Received(1, 1, by: &old).check(trust))
        parties.clock.advance(10)
        try parties.root.signKey(into: parties.learner, name: "second", seconds: 86_400, at: parties.clock.now.nanoseconds)
        var new = try parties.signer()
        let second = try Received(2, 2, by: &new).check(trust)
        try history.check(second)
        history.note(second)
        let late = try Received(3, 3, by: &old).check(trust)
        #expect(throws: Refusal(.unknownKey, "version 3 is signed with a key that a later one has replaced")) { try history.check(late) }
    }

    @Test func keysExpire() throws {
        let parties = try Parties(days: 1), trust = try parties.trust()
        var signer = try parties.signer()
        parties.clock.advance(86_400 - 1_800)
        let received = try Received(1, 1, by: &signer)
        #expect(received.reason(trust) == nil)
        #expect(try received.check(trust).passport.expires - trust.now == 1_800 * 1_000_000_000)
        parties.clock.advance(1_800)
        #expect(received.reason(trust) == .expired)
        let unsigned = signer.sign(Passport(), payload: [], digest: Data())
        #expect(unsigned == nil)
        #expect(throws: UpdateKeyError.self) { try parties.signer() }
        // A key that is put in its place is taken at once.
        try parties.root.signKey(into: parties.learner, name: "second", seconds: 86_400, at: parties.clock.now.nanoseconds)
        #expect(try Received(2, 2, by: &signer).reason(trust) == nil)
    }

    @Test func whatIsShortLongOrChangedIsRefused() throws {
        let parties = try Parties(), trust = try parties.trust()
        var signer = try parties.signer()
        let whole = try Received(1, 1, by: &signer)
        func reason(_ change: (inout Received) -> Void) -> Reason? {
            var received = whole
            change(&received)
            return received.reason(trust)
        }
        #expect(reason { _ in } == nil)
        #expect(reason { $0.frames[1].removeLast() } == .wrongDigest)
        #expect(reason { $0.frames.removeLast() } == .wrongDigest)
        #expect(reason { $0.frames.append([1]) } == .wrongDigest)
        #expect(
            reason {
                $0.frames[0] += $0.frames[1]; $0.frames.removeLast()
            } == .wrongDigest)
        #expect(reason { $0.frames[0][50] ^= 1 } == .wrongDigest)
        #expect(reason { $0.update.clearPassport() } == .unsigned)
        #expect(reason { $0.update.momentWatermark += 1 } == .badSignature)
        #expect(reason { $0.update.momentsSeen -= 1 } == .badSignature)
        #expect(reason { $0.update.last = true } == .badSignature)
        #expect(reason { $0.update.streamBase = 0 } == .badSignature)
        #expect(reason { $0.update.sha256[0] ^= 1 } == .badSignature)
        for place in 0..<whole.update.passport.passport.count {
            #expect(reason { $0.update.passport.passport[place] ^= 1 } == .badSignature)
        }
        for place in 0..<64 { #expect(reason { $0.update.passport.signature[place] ^= 1 } == .badSignature) }
        for place in 0..<64 { #expect(reason { $0.update.passport.certificateSignature[place] ^= 1 } == .unknownKey) }
        for place in 0..<whole.update.passport.certificate.count {
            #expect(reason { $0.update.passport.certificate[place] ^= 1 } == .unknownKey)
        }
        #expect(reason { $0.update.passport.passport = Data(count: 1 << 17) } == .badSignature)
    }

    @Test func filesAreChecked() throws {
        let parties = try Parties()
        #expect(throws: UpdateKeyError.self) { try parties.root.makeRoot() }
        #expect(!FileManager.default.fileExists(atPath: parties.learner.rootKey))
        chmod(parties.learner.onlineKey, 0o644)
        #expect(throws: (any Error).self) { try parties.signer() }
        chmod(parties.learner.rootPublic, 0o666)
        #expect(throws: (any Error).self) { try parties.trust() }
    }
}
