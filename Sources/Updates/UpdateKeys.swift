import Files
import Foundation
import Safetensors
import Schema
import StrictJSON

/// The directory of keys of updates: `root.pub`, the public keys whose certificates are believed, and for a learner `online.key`, with which
/// it signs for some days. `root.key` makes such keys and belongs on a machine that is off the network. All have mode 0600.
public struct UpdateKeys: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// The secret root key.
    public var rootKey: String { "\(path)/root.key" }
    /// The public root keys.
    public var rootPublic: String { "\(path)/root.pub" }
    /// The learner's secret key with its certificate.
    public var onlineKey: String { "\(path)/online.key" }

    private static let largest = 1 << 16
    /// The most root keys.
    private static let mostRoots = 16

    /// A key that signs passports, and the root's statement about it.
    struct Online: Sendable {
        let key: SigningKey
        let certificate: [UInt8], signature: [UInt8]
        let expires: Int64
    }

    /// Makes a root key.
    /// - Throws: `UpdateKeyError` where there is one; `FileError`.
    public func makeRoot() throws {
        guard FileKind(of: rootKey) == nil else {
            throw UpdateKeyError("\(rootKey) is there; what it has signed would not be believed any more")
        }
        try makePrivateDirectory(at: path)
        let key = SigningKey()
        try replacePrivateFile(at: rootKey, with: JSON.object(["secret": .string(SHA256.hex(key.seed))]).text(indent: 2) + "\n")
        try replacePrivateFile(at: rootPublic, with: JSON.object(["public": [.string(SHA256.hex(key.publicKey))]]).text(indent: 2) + "\n")
    }

    /// Makes a key that signs passports, with the root key of this directory, and writes it.
    /// - Parameters:
    ///   - directory: where the learner's key is written, with the public root key.
    ///   - name: for people.
    ///   - seconds: how long it is believed.
    ///   - now: nanoseconds since 1970.
    /// - Throws: `UpdateKeyError` where the root key is none; `FileError`.
    public func signKey(into directory: UpdateKeys, name: String, seconds: Double, at now: Int64) throws {
        guard let root = SigningKey(seed: try Self.bytes("secret", of: rootKey)) else { throw UpdateKeyError("\(rootKey) is no root key") }
        let key = SigningKey()
        let certificate = Certificate.with {
            $0.key = Data(key.publicKey)
            $0.serial = UInt64(clamping: now)
            $0.created = now
            $0.expires = now.addingReportingOverflow(Int64(clamping: Int(clamping: seconds * 1e9))).partialValue
            $0.name = name
        }
        let bytes: [UInt8] = try certificate.serializedBytes()
        let json = JSON.object([
            "secret": .string(SHA256.hex(key.seed)), "certificate": .string(SHA256.hex(bytes)),
            "signature": .string(SHA256.hex(root.signature(of: Signed.certificate.message(bytes)))),
        ])
        try makePrivateDirectory(at: directory.path)
        try replacePrivateFile(at: directory.onlineKey, with: json.text(indent: 2) + "\n")
        guard directory.path != path else { return }
        try replacePrivateFile(
            at: directory.rootPublic, with: JSON.object(["public": [.string(SHA256.hex(root.publicKey))]]).text(indent: 2) + "\n")
    }

    /// The public root keys.
    /// - Throws: `FileError`; `UpdateKeyError` where the file holds none.
    func roots() throws -> [[UInt8]] {
        let json = try JSON(parsing: readPrivateFile(rootPublic, atMost: Self.largest))
        let keys = (json["public"]?.array ?? []).compactMap { $0.string.flatMap(Self.bytes(hex:)) }
        guard (1...Self.mostRoots).contains(keys.count), keys.allSatisfy({ $0.count == Ed25519.keyBytes }) else {
            throw UpdateKeyError("\(rootPublic) holds no public keys of 32 bytes in hexadecimal")
        }
        return keys
    }

    /// The learner's key.
    /// - Throws: `FileError`; `UpdateKeyError` where the file is none, or its certificate is for another key.
    func online() throws -> Online {
        guard let key = SigningKey(seed: try Self.bytes("secret", of: onlineKey)) else { throw UpdateKeyError("\(onlineKey) is no key") }
        let bytes = try Self.bytes("certificate", of: onlineKey), certificate = try Certificate(serializedBytes: bytes)
        guard [UInt8](certificate.key) == key.publicKey else { throw UpdateKeyError("\(onlineKey) has the certificate of another key") }
        return Online(key: key, certificate: bytes, signature: try Self.bytes("signature", of: onlineKey), expires: certificate.expires)
    }

    private static func bytes(_ name: String, of path: String) throws -> [UInt8] {
        guard let text = try JSON(parsing: readPrivateFile(path, atMost: largest))[name]?.string, let bytes = bytes(hex: text) else {
            throw UpdateKeyError("\(path) has no '\(name)' in hexadecimal")
        }
        return bytes
    }

    private static func bytes(hex: String) -> [UInt8]? {
        let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

/// What a signature is of: its first bytes say so, that a signature of one thing is never one of another.
enum Signed: String {
    case passport = "accrete passport 1\n"
    case certificate = "accrete certificate 1\n"

    /// The bytes that are signed.
    func message(_ content: [UInt8]) -> [UInt8] { Array(rawValue.utf8) + content }
}

/// Why keys of updates cannot be used.
public struct UpdateKeyError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
