import Foundation

/// A directory of a test's own, gone with it. Its path is short enough for the name of a socket.
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

    deinit { try? FileManager.default.removeItem(atPath: path) }  // what is left in /tmp does no harm

    public func path(_ name: String) -> String { "\(path)/\(name)" }
}
