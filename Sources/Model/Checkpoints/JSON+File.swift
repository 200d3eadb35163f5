import Files
import StrictJSON

extension JSON {
    /// Reads a file. Throws `CheckpointError`, which names it.
    public init(file: String) throws(CheckpointError) {
        let text: [UInt8]
        do { text = try readFile(file, atMost: 1 << 28) } catch { throw .unreadable(file: file, error.cause) }
        do { try self.init(parsing: text) } catch { throw .malformed(file: file, "\(error)") }
    }
}
