import CCrypto

/// A key that signs with Ed25519, computed by libcrypto.  https://www.rfc-editor.org/rfc/rfc8032
struct SigningKey: Sendable, Equatable {
    /// 32 bytes.
    let seed: [UInt8]
    /// 32 bytes.
    let publicKey: [UInt8]

    /// A new key.
    init() {
        var generator = SystemRandomNumberGenerator()
        self.init((0..<Ed25519.keyBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// The key of a seed that was stored.
    init?(seed: [UInt8]) {
        guard seed.count == Ed25519.keyBytes else { return nil }
        self.init(seed)
    }

    private init(_ seed: [UInt8]) {
        self.seed = seed
        publicKey = Self.withKey(seed) { key in
            var bytes = [UInt8](repeating: 0, count: Ed25519.keyBytes), count = bytes.count
            let status = EVP_PKEY_get_raw_public_key(key, &bytes, &count)
            precondition(status == 1 && count == bytes.count, "libcrypto gave no public key")
            return bytes
        }
    }

    /// The signature of a message: 64 bytes.
    func signature(of message: [UInt8]) -> [UInt8] {
        Self.withKey(seed) { key in
            var signature = [UInt8](repeating: 0, count: Ed25519.signatureBytes), count = signature.count
            let context = EVP_MD_CTX_new()
            defer { EVP_MD_CTX_free(context) }
            let isSigned =
                EVP_DigestSignInit(context, nil, nil, nil, key) == 1
                && EVP_DigestSign(context, &signature, &count, message, message.count) == 1
            precondition(isSigned && count == signature.count, "libcrypto could not sign")
            return signature
        }
    }

    private static func withKey<Result>(_ seed: [UInt8], _ body: (OpaquePointer) -> Result) -> Result {
        guard let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
            preconditionFailure("libcrypto offers no Ed25519")
        }
        defer { EVP_PKEY_free(key) }
        return body(key)
    }
}

/// Signatures of Ed25519.  https://www.rfc-editor.org/rfc/rfc8032
enum Ed25519 {
    /// The bytes of a key, public or secret.
    static let keyBytes = 32
    static let signatureBytes = 64

    /// Whether a signature of a message was made with the secret key of this public key.
    static func isValid(_ signature: [UInt8], of message: [UInt8], by publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureBytes, publicKey.count == keyBytes,
            let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey, publicKey.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
