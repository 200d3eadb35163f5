/// The few calls of a file system that a journal uses, on the files of one directory. A test puts one that fails in its place.
public protocol JournalStorage: Sendable {
    /// The names of all files.
    func names() throws(JournalError) -> [String]
    /// Creates a file that must not exist, for writing at its end.
    func create(_ name: String) throws(JournalError) -> any JournalOutput
    /// Opens a file for reading.
    func open(_ name: String) throws(JournalError) -> any JournalInput
    /// Gives a file this size in bytes, by cutting it or by adding zeros, and returns when all of it is on disk. It uses a descriptor of
    /// its own.
    func cut(_ name: String, to size: Int) throws(JournalError)
    /// Gives a file another name, in place of one that has it.
    func rename(_ name: String, to newName: String) throws(JournalError)
    func remove(_ name: String) throws(JournalError)
    /// Returns when what was created, renamed and removed is on disk.
    func settle() throws(JournalError)
    /// The same files, for reading alone: who keeps it does not keep others from writing.
    var forReading: any JournalStorage { get }
}

extension JournalStorage {
    public var forReading: any JournalStorage { self }
}

/// A file that is being written.
public protocol JournalOutput: AnyObject {
    /// Appends the first of these bytes.
    /// - Returns: how many, at least one.
    func write(_ bytes: UnsafeRawBufferPointer) throws(JournalError) -> Int
    /// Returns when everything written is on disk. After an error it must not be called again.
    func sync() throws(JournalError)
    func close()
}

/// A file that is being read; another process may append to it meanwhile.
public protocol JournalInput: AnyObject {
    /// Its present size in bytes.
    var size: Int { get throws(JournalError) }
    /// Reads from a place.
    /// - Returns: the number of bytes; 0 at the end.
    func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(JournalError) -> Int
}

extension JournalOutput {
    /// Appends all bytes, with as many calls as that takes.
    func writeAll(_ bytes: [UInt8]) throws(JournalError) {
        let written = bytes.withUnsafeBytes { bytes in
            Result { () throws(JournalError) in
                var rest = bytes
                while !rest.isEmpty { rest = UnsafeRawBufferPointer(rebasing: rest[try write(rest)...]) }
            }
        }
        try written.get()
    }
}

extension JournalInput {
    /// At most `count` bytes from a place; fewer at the end of the file.
    func bytes(at offset: Int, count: Int) throws(JournalError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let done = buffer.withUnsafeMutableBytes { bytes in
            Result { () throws(JournalError) in
                var done = 0
                while done < count {
                    let read = try read(at: offset + done, into: UnsafeMutableRawBufferPointer(rebasing: bytes[done...]))
                    if read == 0 { break }
                    done += read
                }
                return done
            }
        }
        buffer.removeSubrange(try done.get()...)
        return buffer
    }
}
