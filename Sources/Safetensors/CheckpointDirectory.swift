import Files
import Glibc

/// A directory whose files are written and read as one: all of a checkpoint, or none of it.
///
/// `SHA256SUMS` covers every file. The checkpoint before stays in `previous/`, covered by a list of its own. A new one is written to `next/` and takes the
/// place of the other when all of it is on the disk: whenever a process is killed, the old one or the new one can be opened. Other files may stand beside.
public struct CheckpointDirectory: Sendable {
    /// A file to be written.
    public struct Content {
        public let name: String
        let fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        /// - Parameter fill: gets a function that appends bytes.
        public init(_ name: String, fill: @escaping (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void) {
            self.name = name
            self.fill = fill
        }

        public init(_ name: String, bytes: [UInt8]) {
            self.init(name) { append in try bytes.withUnsafeBytes(append) }
        }

        public init(_ name: String, text: String) { self.init(name, bytes: Array(text.utf8)) }
    }

    /// A checkpoint whose files are what was written.
    public struct Opened: Sendable {
        /// Where its files are: the directory itself, or `previous/` in it.
        public let path: String
        public let names: Set<String>
        /// What is wrong with the newest checkpoint, where this is the one before.
        public let damage: String?

        /// The path of one of its files; nil where the checkpoint has none of that name.
        public subscript(name: String) -> String? { names.contains(name) ? "\(path)/\(name)" : nil }
    }

    /// Where the next checkpoint is written until it is whole.
    static let next = "next"

    public let path: String
    private var next: String { "\(path)/\(Self.next)" }
    private var previous: String { "\(path)/previous" }
    /// Called before each step that changes the directory; what it throws ends the work there, as a crash would.
    var beforeStep: @Sendable () throws(FileError) -> Void = {}

    public init(_ path: String) { self.path = path }

    // MARK: Writing

    /// Writes a checkpoint. What fails leaves the one before as it was.
    /// - Throws: `FileError`.
    public func write(_ contents: [Content]) throws(FileError) {
        try prepareDirectory(at: path)
        try finish()
        let digests: FileDigests
        do throws(FileError) {
            try prepareDirectory(at: next)
            digests = try writeNext(contents)
        } catch {
            try? remove(next)  // makes room on a full disk; what cannot be removed now is removed before the next one
            throw error
        }
        try install(digests)
    }

    private func writeNext(_ contents: [Content]) throws(FileError) -> FileDigests {
        var digests: [String: String] = [:]
        for content in contents { digests[content.name] = try write(content) }
        try beforeStep()
        try replaceFile(at: "\(next)/\(FileDigests.name)", with: FileDigests(digests).text)
        return FileDigests(digests)
    }

    private func write(_ content: Content) throws(FileError) -> String {
        try beforeStep()
        var hash = SHA256()
        try replaceFile(at: "\(next)/\(content.name)") { append in
            try content.fill { bytes in
                hash.update(bytes)
                try append(bytes)
            }
        }
        return SHA256.hex(hash.digest())
    }

    /// Goes on with what a process that was killed had begun: a next checkpoint that is whole is put in place, one that is not is removed.
    private func finish() throws(FileError) {
        guard fileExists(next) else { return }
        if let digests = try? FileDigests(of: next), (try? checkPending(digests)) != nil { return try install(digests) }
        try remove(next)
    }

    /// Files of the next checkpoint stand in `next/`, or in their place already.
    private func checkPending(_ digests: FileDigests) throws {
        for name in digests.digests.keys { try digests.check(fileExists("\(next)/\(name)") ? next : path, [name]) }
    }

    /// Puts the whole checkpoint that is in `next/` in place. Each step may be the last before a crash: begun again, it goes on.
    private func install(_ digests: FileDigests) throws(FileError) {
        try keepPrevious()
        for name in digests.digests.keys.sorted() where fileExists("\(next)/\(name)") { try move("\(next)/\(name)", to: "\(path)/\(name)") }
        syncDirectory(path)
        try move("\(next)/\(FileDigests.name)", to: "\(path)/\(FileDigests.name)")
        syncDirectory(path)
        try remove(next)
    }

    /// Makes `previous/` what stands in the directory, which is still whole: no file of the next one has been moved before the list of `previous/` is there.
    private func keepPrevious() throws(FileError) {
        guard let text = list(path), text != list(previous), let digests = try? FileDigests(of: path) else { return }
        try remove(previous)
        try prepareDirectory(at: previous)
        for name in digests.digests.keys.sorted() { try link("\(path)/\(name)", to: "\(previous)/\(name)") }
        try link("\(path)/\(FileDigests.name)", to: "\(previous)/\(FileDigests.name)")
        syncDirectory(previous)
    }

    private func list(_ directory: String) -> [UInt8]? { try? readFile("\(directory)/\(FileDigests.name)", atMost: 1 << 20) }

    private func move(_ source: String, to destination: String) throws(FileError) {
        try beforeStep()
        guard rename(source, destination) == 0 else { throw FileError(destination, .cannotWrite(systemError())) }
    }

    /// The same file under another name; a copy on file systems that give a file one name only.
    private func link(_ source: String, to destination: String) throws(FileError) {
        try beforeStep()
        unlink(destination)
        if Glibc.link(source, destination) == 0 { return }
        let storage: ByteStorage
        do { storage = try ByteStorage(mapping: source) } catch { throw FileError(destination, .cannotWrite("\(error)")) }
        try replaceFile(at: destination) { append in try append(storage.bytes) }
    }

    /// Removes a directory of files, its list first: what has no list is not opened.
    private func remove(_ directory: String) throws(FileError) {
        guard fileExists(directory) else { return }
        for name in [FileDigests.name] + fileNames(in: directory) where fileExists("\(directory)/\(name)") {
            try beforeStep()
            unlink("\(directory)/\(name)")
        }
        try beforeStep()
        guard rmdir(directory) == 0 || errno == ENOENT else {
            throw FileError(directory, .cannotWrite("it cannot be removed: \(systemError())"))
        }
    }

    // MARK: Reading

    /// Finds the newest checkpoint that is whole. Whoever writes may be at work meanwhile.
    /// - Returns: nil where none was ever written.
    /// - Throws: `FileDamage` where there is none that is whole.
    public func open() throws(FileDamage) -> Opened? {
        let damage: String
        do {
            if let digests = try FileDigests.checked(path) { return Opened(path: path, names: Set(digests.digests.keys), damage: nil) }
            guard fileExists(previous) else { return nil }
            damage = "\(path)/\(FileDigests.name) is missing"
        } catch {
            damage = "\(error)"
        }
        guard let digests = try? FileDigests.checked(previous) else {
            throw FileDamage("\(damage), and there is no whole checkpoint before it in \(previous). Move \(path) away to begin anew")
        }
        return Opened(path: previous, names: Set(digests.digests.keys), damage: damage)
    }

    /// As `open()`, by the one who writes: what a killed process left is removed or completed, and a damaged checkpoint is replaced by the one before.
    /// - Throws: `FileDamage` as `open()` does; `FileError`.
    public func recover() throws -> Opened? {
        guard fileExists(path) else { return nil }
        for directory in [path, next, previous] { removeUnfinished(in: directory) }
        try finish()
        guard let opened = try open() else { return nil }
        guard opened.damage != nil else { return opened }
        for name in opened.names.sorted() + [FileDigests.name] {
            try link("\(previous)/\(name)", to: "\(path)/\(name).restored")
            try move("\(path)/\(name).restored", to: "\(path)/\(name)")
        }
        syncDirectory(path)
        return Opened(path: path, names: opened.names, damage: opened.damage)
    }
}
