import Crypto
import Files
import Foundation
import NIOSSL
import X509

/// The certificate with which the gateway proves to a browser that it is still the same one, made at the first start.
struct ServerCertificate {
    /// The certificate and its key, PEM.
    let certificate: [UInt8], key: [UInt8]

    /// Reads the certificate of a directory, or makes one there if it has none.
    /// - Throws: `FileError`, and the errors of reading what is no certificate.
    init(in directory: String) throws {
        try makeDirectory(at: directory)
        chmod(directory, 0o700)
        let certificatePath = directory + "/certificate.pem", keyPath = directory + "/key.pem"
        if FileKind(of: certificatePath) == nil || FileKind(of: keyPath) == nil {
            let made = try Self.make()
            try replaceFile(at: keyPath, with: made.key)
            chmod(keyPath, 0o600)
            try replaceFile(at: certificatePath, with: made.certificate)
        }
        certificate = try readFile(certificatePath, atMost: Self.fileBytes)
        key = try readFile(keyPath, atMost: Self.fileBytes)
    }

    /// The greatest size of either file.
    private static let fileBytes = 1 << 16

    /// How long a certificate is valid: the longest that browsers accept.
    private static let validity = 825.0 * 86_400

    private static func make() throws -> (certificate: String, key: String) {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey()), now = Date()
        let name = try DistinguishedName { CommonName("accrete gateway") }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            // An hour of grace for a phone whose clock is behind.
            notValidBefore: now - 3600, notValidAfter: now + validity, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                KeyUsage(digitalSignature: true, keyCertSign: true)
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames([.dnsName("localhost"), .dnsName(ProcessInfo.processInfo.hostName)])
            }, issuerPrivateKey: key)
        return (try certificate.serializeAsPEM().pemString + "\n", try key.serializeAsPEM().pemString + "\n")
    }

    /// The SHA-256 of the certificate, as browsers show it.
    func fingerprint() throws -> String {
        let der = try NIOSSLCertificate(bytes: certificate, format: .pem).toDERBytes()
        return SHA256.hash(data: der).map { byte in String(format: "%02X", byte) }.joined(separator: ":")
    }

    /// The settings of TLS with this certificate.
    func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: configuration)
    }
}
