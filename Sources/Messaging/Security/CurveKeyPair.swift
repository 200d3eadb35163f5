import CZeroMQ

/// A key pair of CURVE, the encryption of ZeroMQ: each key 32 bytes as 40 characters of Z85.  https://rfc.zeromq.org/spec/26/
public struct CurveKeyPair: Sendable, Equatable {
    /// Identifies its owner; not secret.
    public let publicKey: String
    let secretKey: String

    /// The characters of a key.
    static let length = 40

    /// A new pair.
    /// - Throws: `MessagingError` where this ZeroMQ was built without CURVE.
    public init() throws(MessagingError) {
        var publicKey = [CChar](repeating: 0, count: Self.length + 1), secretKey = publicKey
        guard zmq_has("curve") != 0, zmq_curve_keypair(&publicKey, &secretKey) == 0 else {
            throw MessagingError("make a key pair", "this ZeroMQ was built without encryption; install one with libsodium")
        }
        (self.publicKey, self.secretKey) = (Self.text(publicKey), Self.text(secretKey))
    }

    /// A pair that was stored.
    /// - Throws: `MessagingError` where the keys do not belong together.
    init(publicKey: String, secretKey: String) throws(MessagingError) {
        var derived = [CChar](repeating: 0, count: Self.length + 1)
        guard Self.isKey(publicKey), Self.isKey(secretKey), zmq_curve_public(&derived, secretKey) == 0, Self.text(derived) == publicKey
        else {
            throw MessagingError("use a key pair", "the secret key is not that of the public key")
        }
        (self.publicKey, self.secretKey) = (publicKey, secretKey)
    }

    /// Whether a text has the form of a key.
    static func isKey(_ text: String) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 32)
        return text.utf8.count == length && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } && zmq_z85_decode(&bytes, text) != nil
    }

    /// The text of a key of 32 bytes.
    static func text(_ key: [UInt8]) -> String? {
        guard key.count == 32 else { return nil }
        var text = [CChar](repeating: 0, count: length + 1)
        return zmq_z85_encode(&text, key, key.count) == nil ? nil : Self.text(text)
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
