import Files
import Foundation
import Privacy

/// What private steps have spent, on disk before each is made: a learner that is killed after a step, or whose checkpoint is an older one,
/// has counted it.
struct PrivacyLedgerFile {
    static let name = "privacy.spent"
    /// The greatest size of the file, in bytes.
    private static let largest = 1 << 16
    /// Empty: nothing is stored.
    private let path: String

    /// - Parameter directory: of checkpoints; empty: nothing is stored.
    init(directory: String) { path = directory.isEmpty ? "" : "\(directory)/\(Self.name)" }

    /// - Returns: nil where nothing was spent yet.
    /// - Throws: `CheckpointMismatch` where the file cannot be read: what was spent is not known then.
    func read() throws -> PrivacyLedger? {
        guard !path.isEmpty, fileExists(path) else { return nil }
        return try StateCoding.decode(PrivacyLedger.self, from: Data(readFile(path, atMost: Self.largest)), of: path)
    }

    /// - Throws: `FileError`; the step must not be made then.
    func write(_ ledger: PrivacyLedger) throws {
        guard !path.isEmpty else { return }
        try replaceFile(at: path, with: String(decoding: StateCoding.encode(ledger), as: UTF8.self))
    }
}
