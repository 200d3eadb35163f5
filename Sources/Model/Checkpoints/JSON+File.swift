import FoundationEssentials
import StrictJSON

extension JSON {
    /// Reads a file. Throws `CheckpointError`, which names it.
    public init(file: String) throws(CheckpointError) {
        guard FileManager.default.fileExists(atPath: file) else { throw .unreadable(file: file, "it does not exist") }
        let text: Data
        do { text = try Data(contentsOf: URL(filePath: file)) } catch { throw .unreadable(file: file, "\(error)") }
        do { try self.init(parsing: text) } catch { throw .malformed(file: file, "\(error)") }
    }
}
