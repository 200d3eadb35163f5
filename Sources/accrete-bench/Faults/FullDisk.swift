import Foundation

/// Fills a file system until nothing more fits.
enum FullDisk {
    /// Writes a file until the file system is full, and removes it after this time.
    static func fill(_ directory: String, for duration: Duration) async throws {
        let path = directory + "/ballast"
        defer { unlink(path) }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 1 << 16)
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end {
            // What others give back meanwhile is taken too.
            while write(descriptor, block, block.count) > 0 {}
            while write(descriptor, block, 512) > 0 {}
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
