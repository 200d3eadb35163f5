import Foundation

/// Data that lie beside the checkout, in `../shared`.
public enum SharedData {
    private static let root = URL(filePath: #filePath).appending(path: "../../../../../shared").standardizedFileURL

    public static func path(_ name: String) -> String { root.appending(path: name).path }

    /// Whether a test that needs them runs: where they are, and with `CI=true` also where they are not, so that it fails there.
    public static func isWanted(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: path(name)) || nothingMayBeMissing
    }
}

/// With `CI=true` a test whose data or packages are absent runs, and fails, in place of being skipped.
public let nothingMayBeMissing = ProcessInfo.processInfo.environment["CI"] == "true"
