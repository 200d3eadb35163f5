import Files
import Glibc

/// A directory of files that are written and opened together, atomically: a checkpoint.
///
/// The file `SHA256SUMS` holds the digests of all files. The preceding checkpoint is kept in `previous/` with its own `SHA256SUMS`. A new
/// checkpoint is written to `next/` and replaces the old one when all of it is on disk: if the process is killed at any time, either the
/// old or the new checkpoint can be opened. The directory may contain other files, which are left alone.
public struct CheckpointDirectory: Sendable {
    /// A file to be written.
    public struct Content {
        public let name: String
        let fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        /// A file written in pieces.
        /// - Parameters:
        ///   - name: the file name.
        ///   - fill: writes the contents by calling the function that it is given.
        public init(_ name: String, fill: @escaping (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void) {
            self.name = name
            self.fill = fill
        }

        public init(_ name: String, bytes: [UInt8]) {
            self.init(name) { append in try bytes.withUnsafeBytes(append) }
        }

        public init(_ name: String, text: String) { self.init(name, bytes: Array(text.utf8)) }
    }

    /// A complete checkpoint whose files match their digests.
    public struct Opened: Sendable {
        /// The directory of its files: the checkpoint directory itself, or `previous/` in it.
        public let path: String
        public let names: Set<String>
        /// The damage of the newest checkpoint if this is the preceding one; otherwise nil.
        public let damage: String?

        /// The path of one of its files; nil if the checkpoint has no file of this name.
        public subscript(name: String) -> String? { names.contains(name) ? "\(path)/\(name)" : nil }
    }

    /// The subdirectory to which a new checkpoint is written until it is complete.
    static let next = "next"

    public let path: String
    private var next: String { "\(path)/\(Self.next)" }
    private var previous: String { "\(path)/previous" }
    /// Called before each step that changes the directory. Tests throw an error from it to simulate a crash at that step.
    var beforeStep: @Sendable () throws(FileError) -> Void = {}

    public init(_ path: String) { self.path = path }

    // MARK: Writing

    /// Writes a checkpoint. After an error the preceding checkpoint is unchanged.
    /// - Throws: `FileError`.
    public func write(_ contents: [Content]) throws(FileError) {
        try prepareDirectory(at: path)
        try finish()
        let digests: FileDigests
        do throws(FileError) {
            try prepareDirectory(at: next)
            digests = try writeNext(contents)
        } catch {
            try? remove(next)  // frees space on a full disk; if this fails, the next call of `write` removes it
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

    /// Completes the work of a process that was killed while writing: a complete checkpoint in `next/` is installed, an incomplete one is
    /// removed.
    private func finish() throws(FileError) {
        guard fileExists(next) else { return }
        if let digests = try? FileDigests(of: next), (try? checkPending(digests)) != nil { return try install(digests) }
        try remove(next)
    }

    /// Checks the files of the next checkpoint, of which some may already have been moved out of `next/`.
    private func checkPending(_ digests: FileDigests) throws {
        for name in digests.digests.keys { try digests.check(fileExists("\(next)/\(name)") ? next : path, [name]) }
    }

    /// Installs the complete checkpoint in `next/`. It may be interrupted by a crash between any two steps; called again, it continues.
    private func install(_ digests: FileDigests) throws(FileError) {
        try keepPrevious()
        for name in digests.digests.keys.sorted() where fileExists("\(next)/\(name)") { try move("\(next)/\(name)", to: "\(path)/\(name)") }
        syncDirectory(path)
        try move("\(next)/\(FileDigests.name)", to: "\(path)/\(FileDigests.name)")
        syncDirectory(path)
        try remove(next)
    }

    /// Copies the current checkpoint to `previous/`. It is still complete: no file of the next checkpoint is moved before the
    /// `SHA256SUMS` of `previous/` exists.
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

    /// Creates a hard link, or a copy on file systems without hard links.
    private func link(_ source: String, to destination: String) throws(FileError) {
        try beforeStep()
        unlink(destination)
        if Glibc.link(source, destination) == 0 { return }
        let storage: ByteStorage
        do { storage = try ByteStorage(mapping: source) } catch { throw FileError(destination, .cannotWrite("\(error)")) }
        try replaceFile(at: destination) { append in try append(storage.first) }
    }

    /// Removes a directory and its files, `SHA256SUMS` first: without it the directory is not opened as a checkpoint.
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

    /// Copies the checkpoint, without those beside it, to a directory that holds none.
    /// - Throws: `FileDamage` where it is not whole; `FileError`.
    public func copy(to destination: String) throws {
        guard let opened = try open() else { throw FileDamage("\(path) holds no checkpoint") }
        try prepareDirectory(at: destination)
        for name in opened.names.sorted() + [FileDigests.name] {
            try link("\(opened.path)/\(name)", to: "\(destination)/\(name)")
        }
    }

    /// Keeps some files of the checkpoint that this process wrote last in a directory of their own, which is opened like a checkpoint. They
    /// are hard links where the file system has those.
    /// - Throws: `FileDamage` where there is no checkpoint; `FileError`.
    public func keep(in destination: String, where isWanted: (String) -> Bool) throws {
        guard let digests = try FileDigests(of: path) else { throw FileDamage("\(path) holds no checkpoint") }
        let kept = digests.digests.filter { isWanted($0.key) }
        try prepareDirectory(at: destination)
        for name in kept.keys.sorted() { try link("\(path)/\(name)", to: "\(destination)/\(name)") }
        syncDirectory(destination)
        try beforeStep()
        try replaceFile(at: "\(destination)/\(FileDigests.name)", with: FileDigests(kept).text)
    }

    /// Removes the checkpoint, its files and its directory.
    /// - Throws: `FileError`.
    public func remove() throws(FileError) { try remove(path) }

    // MARK: Reading

    /// Opens the newest complete checkpoint. Another process may be writing at the same time.
    /// - Returns: the checkpoint; nil if none was ever written.
    /// - Throws: `FileDamage` if there are files of a checkpoint and no complete one.
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
            throw FileDamage("\(damage), and there is no complete preceding checkpoint in \(previous). Move \(path) away to start again")
        }
        return Opened(path: previous, names: Set(digests.digests.keys), damage: damage)
    }

    /// Opens the newest complete checkpoint, as `open()` does, in the process that writes: the unfinished work of a killed process is
    /// completed or removed, and a damaged checkpoint is replaced by the preceding one.
    /// - Throws: `FileDamage` if there are files of a checkpoint and no complete one; `FileError`.
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
