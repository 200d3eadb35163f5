import Configuration
import Files
import Foundation
import Glibc
import Pipeline
import Safetensors
import Updates
import Wiring

/// Whose updates a stage believes, and with what a learner signs, where `security.updates` names a directory of keys.
extension GraphSettings {
    /// Whose updates this stage believes; nil where all are.
    /// - Throws: `FileError` and `UpdateKeyError` where there are no root keys; the error of reading the trunk's files.
    package func updateTrust(clock: any TimeSource = WallClock()) throws -> UpdateTrust? {
        guard !security.updates.isEmpty else { return nil }
        return try UpdateTrust(UpdateKeys(security.updates), base: updateBase, clock: clock)
    }

    /// What this learner signs its updates with; nil where none are signed.
    /// - Throws: `FileError` and `UpdateKeyError` where there is no key; the error of reading the trunk's files.
    package func passportSigner(clock: any TimeSource = WallClock()) throws -> PassportSigner? {
        guard !security.updates.isEmpty else { return nil }
        return try PassportSigner(
            UpdateKeys(security.updates), base: updateBase, settings: digest(of: Array(yaml.utf8)), code: accreteVersion,
            lifetime: security.updateLifetime, clock: clock)
    }

    /// SHA-256 of what published numbers belong to: the model's configuration, wherever its files are, and the contents of its trunk.
    package var updateBase: [UInt8] {
        get throws {
            var plain = model
            (plain.trunk, plain.gpt2) = ("", "")
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            var hash = SHA256()
            try encoder.encode(plain).withUnsafeBytes { hash.update($0) }
            for file in trunkFiles { try digest(ofFile: file).withUnsafeBytes { hash.update($0) } }
            return hash.digest()
        }
    }

    /// The files of a pretrained trunk that hold its numbers and their meaning.
    private var trunkFiles: [String] {
        guard model.isPretrained else { return [] }
        guard FileKind(of: model.trunk) == .directory else { return [model.trunk] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: model.trunk)) ?? []  // an error is one of reading them below
        return (names.filter { $0.hasSuffix(".safetensors") }.sorted() + ["config.json"]).map { "\(model.trunk)/\($0)" }
    }
}

private func digest(of bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.digest()
}

/// SHA-256 of a file, which is read in pieces.
private func digest(ofFile path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    var hash = SHA256(), buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = buffer.withUnsafeMutableBytes { read(file.descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw FileError(path, .cannotRead(String(cString: strerror(errno)))) }
        if count == 0 { return hash.digest() }
        buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}
