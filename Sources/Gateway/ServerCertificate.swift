import CCertificates
import Files
import Foundation
import NIOSSL
import Safetensors

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

    /// How long a certificate is valid: the longest that browsers accept, and an hour of grace for a phone whose clock is behind. Seconds.
    private static let validity = 825 * 86_400, grace = 3600

    private static func make() throws -> (certificate: String, key: String) {
        var certificate = [CChar](repeating: 0, count: fileBytes), key = certificate
        let isMade = make_server_certificate(
            "accrete gateway", names, grace, validity, &certificate, certificate.count, &key, key.count)
        guard isMade == 1 else { throw CertificateError() }
        func text(_ bytes: [CChar]) -> String { String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) }
        return (text(certificate), text(key))
    }

    /// libcrypto could not make a certificate.
    struct CertificateError: Error, CustomStringConvertible {
        let description = "libcrypto could not make a certificate"
    }

    /// The names and addresses at which this machine is reached when the certificate is made, as libcrypto reads them.
    private static var names: String {
        let host = ProcessInfo.processInfo.hostName
        let isName =
            !host.isEmpty && host.utf8.count <= 64 && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-.".contains($0)) }
        let addresses = Set(HostAddresses.reachable + ["127.0.0.1"]).sorted().map { "IP:\($0)" }
        return (["DNS:localhost"] + (isName ? ["DNS:\(host)"] : []) + addresses).joined(separator: ",")
    }

    /// The SHA-256 of the certificate, as browsers show it.
    func fingerprint() throws -> String {
        let der = try NIOSSLCertificate(bytes: certificate, format: .pem).toDERBytes()
        let digits = Array(SHA256.hex(of: der).uppercased())
        return stride(from: 0, to: digits.count, by: 2).map { String(digits[$0..<$0 + 2]) }.joined(separator: ":")
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
