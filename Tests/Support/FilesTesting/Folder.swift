import Foundation

/// A temporary directory that is deleted with the object. Its path is short enough for a Unix socket.
public final class Folder: Sendable {
    public let path: String

    public init() {
        path = "/tmp/accrete-test-\(UUID().uuidString.prefix(8))"
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            fatalError("a test's directory: \(error)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }  // a directory that remains in /tmp is harmless

    public func path(_ name: String) -> String { "\(path)/\(name)" }
}
