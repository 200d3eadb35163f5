import Foundation

/// Data sets outside the repository, in `../shared`.
public enum SharedData {
    private static let root = URL(filePath: #filePath).appending(path: "../../../../../shared").standardizedFileURL

    public static func path(_ name: String) -> String { root.appending(path: name).path }

    /// Whether a test that needs a file runs: if it exists, and with `CI=true` also if it does not, so that the test fails.
    public static func isWanted(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: path(name)) || nothingMayBeMissing
    }
}

/// Whether `CI=true`: then a test whose data or packages are missing fails instead of being skipped.
public let nothingMayBeMissing = ProcessInfo.processInfo.environment["CI"] == "true"
