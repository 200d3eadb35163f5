import Foundation
import Messaging
import Pipeline
import Schema
import Statistics

/// What a receiver relies on of an update's header; its passport has to say the same.
public struct UpdateClaims: Sendable, Equatable {
    public var topic: String
    public var version: UInt64
    public var parentVersion: UInt64
    public var sha256: Data
    public var momentWatermark: UInt64, momentsSeen: UInt64
    public var streamBase: UInt64?
    public var last: Bool
    public var kind = UpdateKind.whole
    public var state = Data(), parentState = Data()
    public var plainBytes: UInt64 = 0
    public var canaryShare = 0.0, canaryWait = 0.0
    /// Whether it has learned from what may not leave its machine.
    public var local = false

    public init(
        topic: String, version: UInt64, parentVersion: UInt64 = 0, sha256: Data, momentWatermark: UInt64 = 0, momentsSeen: UInt64 = 0,
        streamBase: UInt64? = nil, last: Bool = false
    ) {
        (self.topic, self.version, self.parentVersion, self.sha256) = (topic, version, parentVersion, sha256)
        (self.momentWatermark, self.momentsSeen, self.streamBase, self.last) = (momentWatermark, momentsSeen, streamBase, last)
    }

    /// What a passport says.
    init(_ passport: Passport) {
        self.init(
            topic: passport.topic, version: passport.version, parentVersion: passport.parentVersion, sha256: passport.sha256,
            momentWatermark: passport.momentWatermark, momentsSeen: passport.momentsSeen,
            streamBase: passport.hasStreamBase ? passport.streamBase : nil, last: passport.last)
        (kind, state, parentState, plainBytes) = (passport.kind, passport.state, passport.parentState, passport.plainBytes)
        (canaryShare, canaryWait, local) = (passport.canaryShare, passport.canaryWait, passport.local)
    }

    /// A passport that says so.
    public var passport: Passport {
        .with {
            ($0.topic, $0.version, $0.parentVersion, $0.sha256) = (topic, version, parentVersion, sha256)
            ($0.momentWatermark, $0.momentsSeen, $0.last) = (momentWatermark, momentsSeen, last)
            if let streamBase { $0.streamBase = streamBase }
            ($0.kind, $0.state, $0.parentState, $0.plainBytes) = (kind, state, parentState, plainBytes)
            ($0.canaryShare, $0.canaryWait, $0.local) = (canaryShare, canaryWait, local)
        }
    }
}

/// A message that publishes what was learned, and that a learner can sign.
public protocol SignedUpdate: Stamped {
    /// What a receiver relies on.
    var claims: UpdateClaims { get }
    var passport: SignedPassport { get set }
    var hasPassport: Bool { get }
}

extension ModelUpdate: SignedUpdate {
    public var claims: UpdateClaims {
        var claims = UpdateClaims(
            topic: (kind == .delta ? Topics.modelDelta : Topics.modelUpdate).only.name, version: version, parentVersion: parent,
            sha256: sha256, momentWatermark: momentWatermark, momentsSeen: momentsSeen, streamBase: hasStreamBase ? streamBase : nil,
            last: last)
        (claims.kind, claims.state, claims.parentState, claims.plainBytes) = (kind, state, parentState, plainBytes)
        (claims.canaryShare, claims.canaryWait, claims.local) = (canaryShare, canaryWait, local)
        return claims
    }
}

extension UpdateRelease: SignedUpdate {
    public var claims: UpdateClaims {
        UpdateClaims(topic: Topics.modelRelease.only.name, version: version, sha256: sha256, last: released)
    }
}

extension PolicyUpdate: SignedUpdate {
    public var claims: UpdateClaims {
        UpdateClaims(topic: Topics.policyUpdate.only.name, version: version, sha256: sha256)
    }
}

extension SessionUpdate: SignedUpdate {
    /// Its revision is the passport's version, and the model's version the parent's; `last` says that the adapters have ended.
    public var claims: UpdateClaims {
        var claims = UpdateClaims(
            topic: (try? Topics.sessionUpdate(session))?.name ?? "", version: revision, parentVersion: version, sha256: sha256,
            momentWatermark: momentWatermark, last: ended)
        claims.local = local
        return claims
    }
}

extension MemoryUpdate: SignedUpdate {
    /// The digest is of the message's own fields, encoded without its stamp and its passport.
    public var claims: UpdateClaims {
        UpdateClaims(topic: Topics.memoryUpdate.only.name, version: version, sha256: contentDigest)
    }

    private var contentDigest: Data {
        var content = self
        content.clearStamp()
        content.clearPassport()
        guard let bytes: [UInt8] = try? content.serializedBytes() else { return Data() }  // a message without required fields has bytes
        return Data(bytes.withUnsafeBytes { Updates.sha256(of: $0) })
    }
}

/// A passport whose signature, certificate, time and content have been checked.
public struct VerifiedPassport: Sendable {
    public let passport: Passport
    public let certificate: Certificate
}

/// Whose updates a receiver believes. Checks one update by itself; `UpdateHistory` checks it against those before.
public struct UpdateTrust: Sendable {
    private let roots: [[UInt8]]
    /// SHA-256 of what the receiver's own numbers belong to; nil: not compared.
    private let base: Data?
    private let clock: any TimeSource

    /// How much the clocks of two machines may differ.
    private static let tolerance: Int64 = 60_000_000_000

    /// The largest passport, bytes.
    private static let largestPassport = 1 << 16

    /// - Parameters:
    ///   - keys: the directory with the public root keys.
    ///   - base: SHA-256 of what the receiver's numbers belong to; nil: not compared.
    ///   - clock: the wall clock.
    /// - Throws: `FileError` and `UpdateKeyError` where there are no root keys.
    public init(_ keys: UpdateKeys, base: [UInt8]?, clock: any TimeSource = WallClock()) throws {
        roots = try keys.roots()
        self.base = base.map { Data($0) }
        self.clock = clock
    }

    /// The wall clock's time, nanoseconds since 1970.
    public var now: Int64 { clock.now.nanoseconds }

    /// Whether an update's passport has not expired; nothing else is checked.
    func isCurrent(_ update: ModelUpdate) -> Bool {
        (try? Passport(serializedBytes: update.passport.passport)).map { now < $0.expires } ?? false
    }

    /// Checks an update by itself.
    /// - Parameters:
    ///   - signed: its passport; nil where it has none.
    ///   - claims: what its header says.
    ///   - parts: its payload's frames.
    /// - Throws: `unsigned`, `unknownKey`, `badSignature`, `expired`, `unknownKind`, `wrongBase`, `wrongDigest`.
    public func check(
        _ signed: SignedPassport?, of claims: UpdateClaims, parts: [UnsafeRawBufferPointer]
    ) throws(Refusal) -> VerifiedPassport {
        guard let signed else { throw Refusal(.unsigned, "version \(claims.version) has no passport") }
        guard signed.passport.count <= Self.largestPassport, signed.certificate.count <= Self.largestPassport else {
            throw Refusal(.badSignature, "a passport of \(signed.passport.count) bytes")
        }
        let now = now, certificate = try certificate(of: signed, at: now)
        let bytes = [UInt8](signed.passport)
        guard Ed25519.isValid([UInt8](signed.signature), of: Signed.passport.message(bytes), by: [UInt8](certificate.key)) else {
            throw Refusal(.badSignature, "the passport of version \(claims.version) was changed, or signed with another key")
        }
        guard let passport = try? Passport(serializedBytes: bytes) else { throw Refusal(.badSignature, "what is signed is no passport") }
        try Self.require(passport.created, passport.expires, at: now, "the passport of version \(passport.version)")
        if case .UNRECOGNIZED = passport.kind {
            throw Refusal(.unknownKind, "version \(passport.version) is of a kind that is not known")
        }
        if let base, passport.base != base {
            throw Refusal(.wrongBase, "version \(passport.version) belongs to another model or trunk than this one")
        }
        try Self.compare(passport, claims)
        try Self.compare(passport, parts)
        return VerifiedPassport(passport: passport, certificate: certificate)
    }

    private func certificate(of signed: SignedPassport, at now: Int64) throws(Refusal) -> Certificate {
        let bytes = [UInt8](signed.certificate), message = Signed.certificate.message(bytes)
        guard roots.contains(where: { Ed25519.isValid([UInt8](signed.certificateSignature), of: message, by: $0) }),
            let certificate = try? Certificate(serializedBytes: bytes)
        else { throw Refusal(.unknownKey, "no root key vouches for the key that signed") }
        try Self.require(certificate.created, certificate.expires, at: now, "the key '\(certificate.name.prefix(64))'")
        return certificate
    }

    private static func require(_ created: Int64, _ expires: Int64, at now: Int64, _ what: String) throws(Refusal) {
        guard now < expires else { throw Refusal(.expired, "\(what) has expired") }
        guard created <= now.clampedAdding(tolerance) else { throw Refusal(.expired, "\(what) is of the future") }
    }

    /// The header has to say what was signed.
    private static func compare(_ passport: Passport, _ claims: UpdateClaims) throws(Refusal) {
        guard UpdateClaims(passport) == claims else {
            throw Refusal(.badSignature, "the header of version \(claims.version) says other than its passport")
        }
    }

    /// The payload has to be what was signed: as many frames, each of the same size and content.
    private static func compare(_ passport: Passport, _ parts: [UnsafeRawBufferPointer]) throws(Refusal) {
        guard passport.parts.map(\.size) == parts.map({ UInt64($0.count) }) else {
            let (sizes, wanted) = (parts.map(\.count), passport.parts.map(\.size))
            throw Refusal(.wrongDigest, "version \(passport.version): frames of \(sizes) bytes, not \(wanted)")
        }
        for (index, (part, bytes)) in zip(passport.parts, parts).enumerated() where sha256(of: bytes) != [UInt8](part.sha256) {
            throw Refusal(.wrongDigest, "version \(passport.version): frame \(index) is another's")
        }
    }
}

extension Reason {
    /// An update without a passport, where one is wanted.
    public static let unsigned = Reason(rawValue: "unsigned")
    /// Signed with a key that no root key vouches for, or that a later one has replaced.
    public static let unknownKey = Reason(rawValue: "unknownKey")
    /// A signature that does not fit, or a header other than what was signed.
    public static let badSignature = Reason(rawValue: "badSignature")
    /// A passport or key whose time has passed, or has not come.
    public static let expired = Reason(rawValue: "expired")
    /// An update of a kind that this receiver does not know.
    public static let unknownKind = Reason(rawValue: "unknownKind")
    /// An update of another model or trunk.
    public static let wrongBase = Reason(rawValue: "wrongBase")
    /// A parent other than the version that was adopted.
    public static let wrongParent = Reason(rawValue: "wrongParent")
    /// A delta to a version that the receiver does not have.
    public static let missingParent = Reason(rawValue: "missingParent")
    /// A version at or below the newest that was believed.
    public static let rolledBack = Reason(rawValue: "rolledBack")
    /// A version that is too far ahead of the newest.
    public static let fastForward = Reason(rawValue: "fastForward")
}
