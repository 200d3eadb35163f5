import Files
import StrictJSON

extension JSON {
    /// Reads and parses a file.
    /// - Throws: `CheckpointError`, with the file's name.
    public init(file: String) throws(CheckpointError) {
        let text: [UInt8]
        do { text = try readFile(file, atMost: 1 << 28) } catch { throw .unreadable(file: file, error.cause) }
        do { try self.init(parsing: text) } catch { throw .malformed(file: file, "\(error)") }
    }
}
